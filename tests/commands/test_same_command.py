import pytest

from hf_selfdistill.commands.same_command import difference

WORDS = ["finetune", "--num_train_epochs", "9", "--output_dir", "OUT"]


@pytest.mark.parametrize(
    ("then", "now", "says"),
    [
        (
            ["--num_train_epochs", "9"],
            ["--num_train_epochs", "40"],
            "with --num_train_epochs 9, not --num_train_epochs 40",
        ),
        (["--weight_decay", "0.1"], [], "with --weight_decay 0.1"),
        ([], ["--bf16", "true"], "without --bf16"),
        (["--seeds", "1", "2"], ["--seeds", "1"], "with --seeds 1 2, not --seeds 1"),
        (["--fast"], ["--fast", "no"], "with --fast, not --fast no"),
        (
            ["--model", "A/checkpoint-5"],
            ["--model", "B/checkpoint-5"],
            "with --model A/checkpoint-5, not --model B/checkpoint-5",
        ),
    ],
)
def test_what_is_other_is_named(then, now, says):
    assert difference(["finetune", *then], ["finetune", *now]) == says


def test_another_command_is_another_one():
    assert difference(["finetune"], ["pretrain"]) == "with finetune, not pretrain"


@pytest.mark.parametrize(
    "now",
    [
        [*WORDS, "--dataloader_num_workers=9", "--use_cpu", "true", "--resume_from_checkpoint", "true"],
        [*WORDS[:-1], "moved/OUT"],
        ["finetune", "--num_train_epochs", "40", *WORDS[1:]],  # the last one counts
        ["finetune", *WORDS[3:], "--num_train_epochs=9"],
    ],
)
def test_what_changes_no_result_is_no_difference(now):
    assert difference(WORDS, now) == ""


def test_a_folder_that_was_moved_with_what_is_in_it_is_the_same():
    here, there = (["finetune", "--dataset_root", f"/{place}/ucf/videos"] for place in ("here", "there"))
    assert difference(here, there) == ""
    assert difference(here, ["finetune", "--dataset_root", "/here/hmdb/videos"]) != ""
