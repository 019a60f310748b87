import pytest

from hf_selfdistill.cli import demo


@pytest.mark.slow
def test_the_table_has_a_row_with_and_a_row_without_self_distillation(tmp_path, capsys):
    few = ["--videos_per_class", "6", "--num_pretrain_epochs", "2", "--num_train_epochs", "1"]
    demo.main(["--output_dir", str(tmp_path), *few])
    lines = capsys.readouterr().out.splitlines()
    header = next(i for i, line in enumerate(lines) if "video top-1" in line)
    assert [line.split()[0] for line in lines[header + 1 : header + 3]] == ["0", "10"]
    for line in lines[header + 1 : header + 3]:
        assert (tmp_path / line.split()[-1].split("/")[-1] / "model.safetensors").is_file()


def test_the_demo_outside_the_projects_folder_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="run the demo in the project's folder"):
        demo.main([])


def test_too_few_videos_are_one_line(tmp_path):
    with pytest.raises(SystemExit, match="error: "):
        demo.main(["--output_dir", str(tmp_path), "--videos_per_class", "1"])
