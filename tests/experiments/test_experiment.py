import dataclasses
import shutil

import pytest

from hf_selfdistill.experiments.experiment import Experiment, Identities, as_plan, run_plan
from hf_selfdistill.runs.configs import EvaluateConfig, FinetuneConfig
from hf_selfdistill.training.record import RunRecord


@pytest.fixture
def experiment(shapes, tmp_path):
    data = {"dataset": "moving_shapes", "dataset_root": str(shapes)}
    training = FinetuneConfig(
        model_name_or_path="c3d",
        config_overrides="hidden_sizes=4,8,8,8,8,num_frames=8,image_size=16",
        output_dir=str(tmp_path / "run"),
        max_steps=1,
        per_device_train_batch_size=4,
        save_strategy="no",
        disable_tqdm=True,
        use_cpu=True,
        **data,
    )
    folder = str(tmp_path / "run")
    test = EvaluateConfig(model_name_or_path=folder, num_clips=1, disable_tqdm=True, use_cpu=True, **data)
    return Experiment(training, (test,))


def test_finished_configs_are_skipped_and_a_test_of_other_weights_is_repeated(experiment):
    assert experiment.remaining(Identities()) == [experiment.training, *experiment.tests]
    run_plan(as_plan(experiment.remaining(Identities())))
    assert experiment.remaining(Identities()) == []
    record = RunRecord.load(experiment.folder)
    record.results[0].weights = "others"
    record.save(experiment.folder)
    assert experiment.remaining(Identities()) == list(experiment.tests)


def test_a_different_run_in_the_folder_is_refused_with_the_parameter_and_both_values(experiment, tmp_path):
    run_plan(as_plan([experiment.training]))
    same = dataclasses.replace(experiment.training, learning_rate=float("5e-5"), logging_steps=3)
    assert Experiment(same).remaining(Identities()) == []
    other = dataclasses.replace(experiment.training, learning_rate=0.1)
    with pytest.raises(ValueError, match=r"its `learning_rate` was the default, now it is 0\.1; give another"):
        Experiment(other).remaining(Identities())
    videos = shutil.copytree(experiment.training.dataset_root, tmp_path / "videos")
    lines = (videos / "moving_shapes.csv").read_text().splitlines()
    (videos / "moving_shapes.csv").write_text("\n".join(line for line in lines if "_g08_" not in line) + "\n")
    moved = dataclasses.replace(experiment.training, dataset_root=str(videos))
    with pytest.raises(ValueError, match=r"its input `test` had the SHA-256 \w{8}, now it has \w{8}"):
        Experiment(moved).remaining(Identities())


def test_a_folder_of_an_earlier_version_is_refused(experiment):
    experiment.folder.mkdir()
    (experiment.folder / "config.json").write_text("{}")
    with pytest.raises(ValueError, match=r"has no run\.json: an earlier version or another tool made it"):
        experiment.remaining(Identities())
