from pathlib import Path

import pytest

from hf_selfdistill.experiments import ablation
from hf_selfdistill.runs.configs import FinetuneConfig


@pytest.fixture
def base():
    return lambda **values: FinetuneConfig(**{"model_name_or_path": "user/encoder", "dataset": "ucf101", **values})


def test_retention_is_measured_during_training_only_if_the_recipe_sets_it(base, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(FinetuneConfig, "load", lambda self, most: None)
    monkeypatch.setattr(ablation, "launch", lambda experiments, *rest: seen.extend(experiments) or experiments)
    for epochs in (None, 1):
        config = base(reference_dataset="hmdb51", reference_root="r", retention_epochs=epochs)
        with pytest.raises(ValueError, match=r"1 of 1 runs failed: .*; run the same command to retry"):
            ablation.ablate(config, Path(tmp_path), {"seed": [0]})
    assert [experiment.training.reference_dataset for experiment in seen] == [None, "hmdb51"]
    assert all(experiment.tests[-1].dataset == "hmdb51" for experiment in seen)


def test_retention_of_random_weights_is_refused(base, tmp_path):
    with pytest.raises(ValueError, match="c3d has random weights, with nothing to retain"):
        ablation.ablate(base(model_name_or_path="c3d", reference_dataset="hmdb51"), tmp_path, {"seed": [0]})
