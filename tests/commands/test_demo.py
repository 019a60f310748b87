from pathlib import Path

import pytest

from hf_selfdistill.commands import demo


def test_it_compares_with_and_without_self_distillation_and_says_where_the_models_are(tmp_path, capsys):
    demo.main(["--output_dir", str(tmp_path), "--videos_per_class", "6", "--num_train_epochs", "1"])
    lines = capsys.readouterr().out.splitlines()
    header = next(i for i, line in enumerate(lines) if "video top-1" in line)
    assert [line.split()[0] for line in lines[header + 1 : header + 3]] == ["0", "10"]
    for line in lines[header + 1 : header + 3]:
        assert (tmp_path / line.split()[-1].split("/")[-1] / "model.safetensors").is_file()
    assert sum(line.startswith("$ hf-selfdistill ") for line in lines) == 5


def test_its_recipe_is_that_of_the_moving_shapes():
    assert demo.RECIPE.read_text() == (Path(__file__).parents[2] / "configs" / "moving_shapes.yaml").read_text()


def test_too_few_videos_are_one_line(tmp_path):
    with pytest.raises(SystemExit, match="error: "):
        demo.main(["--output_dir", str(tmp_path), "--videos_per_class", "1"])
