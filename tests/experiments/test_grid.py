import pytest

from hf_selfdistill.experiments.grid import grid, saved_models, with_tests
from hf_selfdistill.runs.arguments import DatasetArguments
from hf_selfdistill.runs.configs import EvaluateConfig, FinetuneConfig, ForgettingConfig


@pytest.fixture
def base():
    return FinetuneConfig(
        model_name_or_path="user/encoder", dataset="ucf101", dataset_root="videos", learning_rate=0.1
    )


def test_every_combination_has_its_own_folder_and_other_regularizers_appear_once(base, tmp_path):
    axes = {"seed": [0, 1], "regularizer": ["self_distillation", "l2_sp"], "distill_weight": [0.0, 10.0]}
    names = [config.output_dir.split("/")[-1] for config in grid(base, tmp_path, **axes)]
    assert names == [
        "self_distillation-w0-lr0.1-l1-s1-r0",
        "self_distillation-w10-lr0.1-l1-s1-r0",
        "l2_sp-w0-lr0.1-l1-s1-r0",
        "self_distillation-w0-lr0.1-l1-s1-r1",
        "self_distillation-w10-lr0.1-l1-s1-r1",
        "l2_sp-w0-lr0.1-l1-s1-r1",
    ]


def test_each_strength_of_a_regularizer_is_a_run_and_a_setting(base, tmp_path):
    axes = {"seed": [0], "regularizer": ["self_distillation", "l2_sp"], "distill_weight": [0.0, 1.0]}
    configs = grid(base, tmp_path, {"l2_sp": [0.01, 1.0]}, **axes)
    assert [(config.distill_weight, config.l2_sp_weight) for config in configs] == [
        (0, 0.1),
        (1, 0.1),
        (0, 0.01),
        (0, 1),
    ]
    assert len({config.output_dir for config in configs}) == 4
    settings = [place.setting for config in configs for place, _ in saved_models(config)]
    assert [setting.name for setting in settings] == ["λ = 0", "λ = 1", "l2_sp 0.01", "l2_sp 1"]


def test_almost_equal_rates_have_different_folders(base, tmp_path):
    configs = grid(base, tmp_path, learning_rate=[0.00333333, 0.003333334])
    assert len({config.output_dir for config in configs}) == 2


def test_every_saved_model_is_tested_and_compared_with_the_encoder(base, tmp_path):
    (config,) = grid(base, tmp_path, seed=[0])
    config.keep_best = ["validation"]
    reference = DatasetArguments(dataset="hmdb51", dataset_root="reference")
    experiment = with_tests(config, 10, reference)
    kinds = [type(test) for test in experiment.tests]
    assert kinds == [EvaluateConfig, EvaluateConfig, ForgettingConfig, ForgettingConfig]
    assert experiment.tests[1].model_name_or_path.endswith("best-on-validation")
    assert experiment.tests[2].before == "user/encoder" and experiment.tests[2].dataset == "hmdb51"


def test_every_average_of_wise_ft_is_a_model(base, tmp_path):
    (config,) = grid(base, tmp_path, regularizer=["wise_ft"])
    config.wise_ft_weights = [0.5, 0.25]
    assert [(place.setting.share, folder.name) for place, folder in saved_models(config)] == [
        (0.5, "0.5"),
        (0.25, "0.25"),
    ]
