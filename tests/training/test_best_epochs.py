from __future__ import annotations

import json

import pytest
from safetensors.torch import load_file

from hf_selfdistill.cli import evaluate, finetune
from hf_selfdistill.training.best_epochs import CHOICE, best_folder

EPOCHS = 3


@pytest.fixture(scope="module")
def keeping(shapes, tiny_flags):
    """Flags of a run that keeps every checkpoint, and the best models."""

    def flags(folder, epochs=EPOCHS, **overrides):
        given = {"num_train_epochs": epochs, "save_strategy": "epoch", "save_total_limit": 9, "eval_strategy": "epoch"}
        words = tiny_flags(shapes, folder, **{**given, "seed": 3, "validation_fraction": 0.3, **overrides})
        return [*words, "--keep_best", "validation", "test"]

    return flags


@pytest.fixture(scope="module")
def run(keeping, tmp_path_factory):
    folder = tmp_path_factory.mktemp("best") / "run"
    finetune.main(keeping(folder))
    return folder


def top1_of(model, shapes, part, file):
    words = ["--model_name_or_path", model, "--dataset", "moving_shapes", "--dataset_root", shapes, "--part", part]
    words += [
        "--validation_fraction",
        0.3,
        "--num_clips",
        1,
        "--output_file",
        file,
        "--use_cpu",
        "--disable_tqdm",
        True,
    ]
    evaluate.main([str(word) for word in words])
    return json.loads(file.read_text())["video_top1"]


@pytest.mark.parametrize("part", ["validation", "test"])
def test_the_model_kept_is_that_of_the_first_epoch_with_the_highest_accuracy(run, shapes, tmp_path, part):
    checkpoints = sorted(run.glob("checkpoint-*"), key=lambda folder: int(folder.name.split("-")[-1]))
    tested = [top1_of(folder, shapes, part, tmp_path / "evaluation.json") for folder in checkpoints]
    assert len(tested) == EPOCHS
    best = tested.index(max(tested))
    chosen = json.loads((best_folder(run, part) / CHOICE).read_text())
    assert chosen == {
        "part": part,
        "epoch": best + 1,
        "step": int(checkpoints[best].name.split("-")[-1]),
        "video_top1": pytest.approx(tested[best]),
    }
    kept, same = (load_file(folder / "model.safetensors") for folder in (best_folder(run, part), checkpoints[best]))
    assert all(kept[name].equal(same[name]) for name in same)


def test_a_resumed_run_goes_on_from_the_best_so_far_and_a_new_one_does_not(run, keeping, tmp_path):
    folder = tmp_path / "run"
    best_folder(folder, "test").mkdir(parents=True)
    choice = best_folder(folder, "test") / CHOICE
    choice.write_text('{"step": 1, "video_top1": 2.0}')  # of a run that was here before
    finetune.main(keeping(folder, epochs=1))
    chosen = json.loads(choice.read_text())
    assert chosen["epoch"] == 1 and chosen["video_top1"] <= 1
    choice.write_text('{"step": 1, "video_top1": 2.0}')
    finetune.main([*keeping(folder, epochs=2), "--resume_from_checkpoint", "true"])
    assert json.loads(choice.read_text()) == {"step": 1, "video_top1": 2.0}
    choice.write_text('{"step": 1000, "video_top1": 2.0}')  # of a run that was further than this one is
    finetune.main([*keeping(folder, epochs=3), "--resume_from_checkpoint", "true"])
    assert json.loads(choice.read_text())["epoch"] == 3


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"eval_strategy": "no"}, "set --eval_strategy epoch"),
        ({"validation_fraction": 0}, "no validation videos"),
        ({"lora_rank": 2}, "--lora_rank can't be combined with --keep_best"),
        ({"regularizer": "wise_ft", "distill_weight": 0}, "can't be combined with --regularizer wise_ft"),
    ],
)
def test_what_can_not_be_kept_is_one_line(keeping, tmp_path, capsys, wrong, message):
    with pytest.raises(SystemExit) as stopped:
        finetune.main(keeping(tmp_path, **wrong))
    assert message in (capsys.readouterr().err if stopped.value.code == 2 else stopped.value.code)


def test_an_unknown_part_is_one_line(keeping, tmp_path, capsys):
    with pytest.raises(SystemExit):
        finetune.main([*keeping(tmp_path), "train"])
    assert "--keep_best is 'train'; allowed are 'validation', 'test'" in capsys.readouterr().err
