from pathlib import Path

import pytest

from hf_selfdistill.experiments.reproduction import Reproduction
from hf_selfdistill.runs.configs import PretrainConfig

ROOT = Path(__file__).parents[2]


@pytest.fixture
def asked(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    datasets = {"ucf101": ("u", "lists"), "hmdb51": ("h", None)}
    return lambda **values: Reproduction(tmp_path, datasets, kinetics="k", **values)


def test_the_default_rows_are_those_of_table_1(asked):
    names = [row.name for row in asked(models=["c3d"]).rows()]
    assert names == ["c3d-ucf101-w0-s1-r0", "c3d-ucf101-w100-s1-r0", "c3d-hmdb51-w0-s1-r0", "c3d-hmdb51-w0.1-s1-r0"]
    assert len(asked(weights=[0, 1, 10], seeds=[0, 1]).rows()) == 2 * 2 * 3 * 2


def test_a_given_encoder_replaces_stage_one(asked):
    assert asked(encoders={"c3d": "mine"}).stage_one().keys() == {"r2plus1d"}
    training = asked().stage_one()["c3d"].training
    assert isinstance(training, PretrainConfig) and training.dataset_root == "k" and training.objective == "rspnet"


def test_a_row_has_the_values_of_its_recipe_and_the_overrides(asked):
    experiment = next(iter(asked(overrides={"bf16": False, "weight_decay": 0.3}).stage_two().values()))
    config = experiment.training
    assert (config.dataset, config.annotations, config.weight_decay) == ("ucf101", "lists", 0.3)
    assert config.keep_best == ["validation", "test"] and len(experiment.tests) == 3
