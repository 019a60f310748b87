from __future__ import annotations

import csv
import shutil

import pytest
from safetensors.torch import load_file, save_file

from hf_selfdistill.cli import ablate


def flags_of(fine_tuned, shapes, tiny_flags, folder, **recipe):
    given = {"distill_weight": None, "model_name_or_path": fine_tuned, "config_overrides": None, **recipe}
    own = f"--distill_weights 0 1 --seeds 0 --num_clips 2 --devices a b --reference_root {shapes}"
    words = [*tiny_flags(shapes, folder, num_train_epochs=1, save_strategy="no", **given), *own.split()]
    return [*words, "--reference_dataset", "moving_shapes"]


def test_every_run_is_compared_and_a_second_call_trains_nothing(fine_tuned, shapes, tiny_flags, tmp_path):
    words = flags_of(fine_tuned, shapes, tiny_flags, tmp_path / "out")
    ablate.main(words)
    table = (tmp_path / "out" / "table.md").read_text()
    assert "| λ = 0 | 100 % | 0.05 |" in table and "| λ = 1 | 100 % | 0.05 |" in table
    rows = list(csv.DictReader((tmp_path / "out" / "results.csv").open()))
    assert [row["distill_weight"] for row in rows] == ["0.0", "1.0"]
    assert all(len(row["test_hash"]) == 64 and float(row["wall_seconds"]) > 0 and row["decoder"] for row in rows)
    folders = sorted((tmp_path / "out" / "runs").iterdir())
    before = [(folder / "model.safetensors").stat().st_mtime_ns for folder in folders]
    assert all((folder / "forgetting.json").is_file() for folder in folders)
    ablate.main(words)
    assert [(folder / "model.safetensors").stat().st_mtime_ns for folder in folders] == before


def test_an_edited_recipe_is_refused(fine_tuned, shapes, tiny_flags, tmp_path):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("num_train_epochs: 1\nsplit: 1\n")
    given = flags_of(fine_tuned, shapes, tiny_flags, tmp_path / "out")
    at = given.index("--num_train_epochs")
    words = ["--config", str(recipe), *given[:at], *given[at + 2 :], "--distill_weights", "0"]
    ablate.main(words)
    recipe.write_text("num_train_epochs: 2\nsplit: 1\n")
    with pytest.raises(
        SystemExit, match=r"holds a different run: its --num_train_epochs was 1\.0, now it is 2\.0; give another"
    ):
        ablate.main(words)


@pytest.mark.slow
def test_another_encoder_or_other_videos_at_the_same_place_are_refused(fine_tuned, shapes, tiny_flags, tmp_path):
    encoder, videos = shutil.copytree(fine_tuned, tmp_path / "encoder"), shutil.copytree(shapes, tmp_path / "videos")
    words = flags_of(encoder, videos, tiny_flags, tmp_path / "out")
    words += ["--distill_weights", "0", "--reference_root", str(shapes)]
    ablate.main(words)
    row = next(csv.DictReader((tmp_path / "out" / "results.csv").open()))
    card = (tmp_path / "out" / "runs" / "self_distillation-w0-lr0.05-l1-s1-r0" / "README.md").read_text()
    assert row["train_hash"] in card and row["test_hash"] in card
    table = videos / "moving_shapes.csv"
    whole = table.read_text()
    table.write_text("\n".join(line for line in whole.splitlines() if "_g08_" not in line) + "\n")
    with pytest.raises(SystemExit, match=r"its input `(test|train)` had the SHA-256"):
        ablate.main(words)
    table.write_text(whole)
    weights = load_file(encoder / "model.safetensors")
    save_file({name: weight + 1 for name, weight in weights.items()}, encoder / "model.safetensors")
    with pytest.raises(SystemExit, match="its input `encoder` had the SHA-256"):
        ablate.main(words)


@pytest.mark.slow
def test_each_average_of_wise_ft_is_tested_beside_plain_fine_tuning(fine_tuned, shapes, tiny_flags, tmp_path):
    words = flags_of(fine_tuned, shapes, tiny_flags, tmp_path / "out")
    words += "--distill_weights 0 --regularizers self_distillation wise_ft --wise_ft_weights 0.5 0.25".split()
    ablate.main(words)
    table = (tmp_path / "out" / "table.md").read_text()
    assert [line.split(" | ")[0] for line in table.splitlines() if line.startswith(("| λ", "| w"))] == [
        "| λ = 0",
        "| wise_ft, α = 0.25",
        "| wise_ft, α = 0.5",
    ]
    rows = list(csv.DictReader((tmp_path / "out" / "results.csv").open()))
    assert [(row["regularizer"], row["share"]) for row in rows][1:] == [("wise_ft", "0.5"), ("wise_ft", "0.25")]
    assert rows[1]["folder"].endswith("averages/0.5")


@pytest.mark.slow
def test_the_best_epochs_are_tested(fine_tuned, shapes, tiny_flags, tmp_path):
    recipe = {"eval_strategy": "epoch", "validation_fraction": 0.3}
    words = [*flags_of(fine_tuned, shapes, tiny_flags, tmp_path / "out", **recipe), "--distill_weights", "0"]
    ablate.main([*words, "--keep_best", "validation"])
    rows = list(csv.DictReader((tmp_path / "out" / "results.csv").open()))
    assert [row["epoch"] for row in rows] == ["last", "validation"]
    assert rows[1]["folder"].endswith("best-on-validation")
    assert "| λ = 0, best on validation |" in (tmp_path / "out" / "table.md").read_text()


@pytest.mark.slow
def test_failed_runs_are_named(fine_tuned, shapes, tiny_flags, tmp_path):
    wrong = {"per_device_train_batch_size": 500, "dataloader_drop_last": True}
    words = flags_of(fine_tuned, shapes, tiny_flags, tmp_path / "out", **wrong)
    with pytest.raises(SystemExit, match=r"2 of 2 runs failed: self_distillation-w0-.*run the same command to retry"):
        ablate.main(words)
    log = (tmp_path / "out" / "runs" / "self_distillation-w0-lr0.05-l1-s1-r0" / "log.txt").read_text()
    assert log.splitlines()[-1].startswith("error: ") and "do not fill one batch of 500" in log


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (["--regularizers", "l2sp"], "--regularizers is 'l2sp'"),
        (["--seed", "5"], "--seed is set for each run; give --seeds"),
        (["--distill_weight=7"], "--distill_weight is set for each run; give --distill_weights"),
        (["--dataset", "folder", "--dataset_root", "nowhere"], "nowhere"),
        (["--learning_rat", "0.1"], "learning_rat"),
        (["--max_train_samples", "0"], "--max_train_samples is 0; it must be positive"),
        (["--num_clips", "0"], "--num_clips is 0; it must be positive"),
        (["--regularizers", "none"], "plain fine-tuning is --distill_weights 0"),
        (["--cluster", "slurm", "--cluster_args", "gpu"], "give name=value, such as partition=gpu"),
        (
            ["--cluster", "debug", "--cluster_args", "time=day"],
            '--cluster_args can\'t be used: Parameter "timeout_min"',
        ),
        (["--model_name_or_path", "c3d"], "with nothing to retain"),
    ],
)
def test_a_wrong_flag_ends_it_in_one_line_before_any_run(
    fine_tuned, shapes, tiny_flags, tmp_path, capsys, wrong, message
):
    with pytest.raises(SystemExit) as stopped:
        ablate.main([*flags_of(fine_tuned, shapes, tiny_flags, tmp_path / "out"), *wrong])
    line = stopped.value.code if isinstance(stopped.value.code, str) else capsys.readouterr().err
    assert message in line and line.strip().count("\n") == 0
    assert not (tmp_path / "out" / "runs").exists()


@pytest.mark.parametrize("wrong", ["l2_sp", "l2_sp=much", "l2_sp=0.1", "wise_ft=0.5"])
def test_strengths_are_numbers_of_a_compared_regularizer(wrong, capsys):
    with pytest.raises(SystemExit):
        ablate.main(["--regularizers", "self_distillation", "wise_ft", "--strengths", wrong])
    assert f"--strengths has '{wrong}'; " in capsys.readouterr().err
