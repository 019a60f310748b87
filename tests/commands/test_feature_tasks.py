import json

import pytest

from hf_selfdistill.commands import evaluate_model
from hf_selfdistill.commands.feature_tasks import FEATURE_TASKS, load_feature_model
from hf_selfdistill.models import C3DForVideoClassification, C3DModel

TINY = "hidden_sizes=4,8,8,8,8,num_frames=8,image_size=16"


@pytest.fixture
def evaluate(shapes, tmp_path):
    def run(**flags):
        values = {
            "model_name_or_path": "c3d",
            "dataset": "moving_shapes",
            "dataset_root": shapes,
            "num_clips": 2,
            "output_file": tmp_path / "results.json",
            "output_dir": tmp_path,
            "per_device_eval_batch_size": 8,
            "disable_tqdm": True,
            "use_cpu": True,
            **flags,
        }
        evaluate_model.main([word for name, value in values.items() for word in (f"--{name}", str(value))])
        return json.loads((tmp_path / "results.json").read_text())

    return run


@pytest.mark.parametrize("task", FEATURE_TASKS)
def test_an_encoder_with_random_weights_is_measured_too(evaluate, task):
    results = evaluate(task=task, config_overrides=TINY)
    assert (results["num_videos"], results["num_gallery"], results["failed"]) == (6, 18, [])
    assert 0 <= results["top1"] <= 1
    assert results["protocol"].startswith("moving_shapes split 1, test against training part, 2 clips of 8 frames")


def test_retrieval_has_all_five_figures_in_both_protocols(evaluate):
    for protocol in ("rspnet", "vcop"):
        results = evaluate(task="retrieval", retrieval_protocol=protocol, config_overrides=TINY)
        figures = [results[f"top{k}"] for k in (1, 5, 10, 20, 50)]
        assert figures == sorted(figures) and figures[-1] == 1
        assert protocol.upper() in results["protocol"].upper()


def test_the_seed_makes_the_random_encoder(evaluate):
    same = [
        load_feature_model("c3d", TINY, seed)[0].state_dict()["stages.0.layers.0.conv.weight"] for seed in (1, 1, 2)
    ]
    assert same[0].equal(same[1]) and not same[0].equal(same[2])


def test_an_encoders_folder_and_a_classifiers_are_loaded_as_they_are(fine_tuned, tmp_path, capfd):
    model, processor = load_feature_model(str(fine_tuned), None, 0)
    assert isinstance(model, C3DForVideoClassification) and not model.training
    model.base_model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    capfd.readouterr()
    assert isinstance(load_feature_model(str(tmp_path), None, 0)[0], C3DModel)
    assert "MISSING" not in "".join(capfd.readouterr())


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"task": "knn", "part": "train"}, "--part train goes with --task classification"),
        ({"task": "classification", "config_overrides": TINY}, "bring|go with c3d or r2plus1d"),
        ({"task": "knn", "model_name_or_path": "nowhere/at-all"}, "^error: "),
    ],
)
def test_what_does_not_go_together_is_one_line(evaluate, fine_tuned, flags, message):
    with pytest.raises(SystemExit, match=message):
        evaluate(**{"model_name_or_path": fine_tuned, **flags})
