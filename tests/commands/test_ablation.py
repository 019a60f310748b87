from __future__ import annotations

import pytest
from hf_selfdistill.commands.retention import ReferenceArguments

from hf_selfdistill.cli import finetune
from hf_selfdistill.commands.ablation import Ablation, AblationArguments


@pytest.fixture
def ablation(shapes, tmp_path):
    """Of given arguments, on the videos of the tests."""

    def build(recipe=(), reference=None, **grid):
        words = f"--model_name_or_path {tmp_path} --dataset moving_shapes --dataset_root {shapes} --learning_rate 0.5"
        words = [*words.split(), "--validation_fraction", "0", *recipe]
        asked = finetune.parse([*words, "--output_dir", str(tmp_path)])
        return Ablation(AblationArguments(str(tmp_path), **grid), reference or ReferenceArguments(), words, asked)

    return build


def test_self_distillation_has_every_weight_and_its_rivals_one_run_each(ablation):
    grid = {"distill_weights": [0.0, 10.0], "regularizers": ["self_distillation", "l2_sp"], "seeds": [3, 4]}
    places = ablation(**grid).places()
    assert [(place.seed, place.setting.name) for place in places] == [
        (seed, name) for seed in (3, 4) for name in ("λ = 0", "λ = 10", "l2_sp")
    ]
    assert {place.setting.learning_rate for place in places} == {0.5}  # the recipe's


def test_a_run_is_made_from_the_videos_that_it_draws(ablation):
    runs = ablation(distill_weights=[0.0], label_fractions=[1.0, 0.5], seeds=[0, 1])
    made_from = {(place.setting.label_fraction, place.seed): runs.job(place).made_from[0] for place in runs.places()}
    trains = {which: hashes["train_hash"] for which, hashes in made_from.items()}
    assert trains[1.0, 0] == trains[1.0, 1] and len(set(trains.values())) == 3
    assert len({hashes["test_hash"] for hashes in made_from.values()}) == 1


def test_retention_while_training_needs_a_reference_set(ablation, shapes):
    reference = ReferenceArguments("moving_shapes", str(shapes))
    with_one = ablation(["--retention_epochs", "2"], reference, distill_weights=[0.0])
    with_one.check()
    words = with_one.job(with_one.places()[0]).commands[0]
    assert words[words.index("--reference_root") + 1] == str(shapes)
    with pytest.raises(ValueError, match="--retention_epochs needs --reference_dataset"):
        ablation(["--retention_epochs", "2"]).check()
