import pytest

from hf_selfdistill.cli import pretrain as command
from hf_selfdistill.runs.configs import PretrainConfig
from hf_selfdistill.runs.pretrain import pretrain
from hf_selfdistill.training.record import RunRecord, hash_of_model


@pytest.fixture
def config(shapes, tmp_path):
    return PretrainConfig(
        output_dir=str(tmp_path / "out"),
        model_type="c3d",
        config_overrides="hidden_sizes=4,8,8,8,8,num_frames=8,image_size=16",
        dataset_root=str(shapes),
        objective_arguments={"queue_size": 8},
        max_steps=1,
        per_device_train_batch_size=4,
        save_strategy="no",
        disable_tqdm=True,
        use_cpu=True,
    )


def test_a_pre_training_leaves_an_encoder_with_a_record(config, tmp_path):
    record = pretrain(config)
    assert RunRecord.load(tmp_path / "out").identity == record.identity == config.identity()
    assert record.weights == hash_of_model(tmp_path / "out") and record.inputs["train"].videos == 24
    assert record.description["`rspnet`"]["queue_size"] == "8" and record.model["pretrained_by"] == "rspnet"


def test_both_doors_leave_the_same_record(config, tmp_path):
    pretrain(config)
    mine = RunRecord.load(tmp_path / "out")
    (tmp_path / "out" / "model.safetensors").unlink()
    values = {**config.to_dict(), **config.objective_arguments}
    del values["objective_arguments"]
    command.main([word for name, value in values.items() for word in (f"--{name}", str(value))])
    theirs = RunRecord.load(tmp_path / "out")
    for name in ("task", "config", "identity", "inputs", "software", "model", "description", "weights", "results"):
        assert getattr(theirs, name) == getattr(mine, name), name
