import pytest

from hf_selfdistill.cli import report


def test_a_folder_that_does_not_exist_is_one_line(tmp_path):
    with pytest.raises(SystemExit, match=r"^error: .*nowhere has no run\.json"):
        report.main(["--run", str(tmp_path / "nowhere")])


def test_the_run_is_required(capsys):
    with pytest.raises(SystemExit):
        report.main([])
    assert "--run" in capsys.readouterr().err
