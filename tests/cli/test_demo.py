import pytest

from hf_selfdistill.cli import demo


@pytest.mark.slow
def test_it_compares_with_and_without_self_distillation_and_says_where_the_models_are(tmp_path, capsys):
    few = ["--videos_per_class", "6", "--num_pretrain_epochs", "2", "--num_train_epochs", "1"]
    demo.main(["--output_dir", str(tmp_path), *few])
    lines = capsys.readouterr().out.splitlines()
    header = next(i for i, line in enumerate(lines) if "video top-1" in line)
    assert [line.split()[0] for line in lines[header + 1 : header + 3]] == ["0", "10"]
    for line in lines[header + 1 : header + 3]:
        assert (tmp_path / line.split()[-1].split("/")[-1] / "model.safetensors").is_file()


def test_outside_the_projects_folder_it_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="start the demo in the project's folder"):
        demo.main([])


def test_too_few_videos_are_one_line(tmp_path):
    with pytest.raises(SystemExit, match="error: "):
        demo.main(["--output_dir", str(tmp_path), "--videos_per_class", "1"])
