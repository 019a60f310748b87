import shutil

import pytest

from hf_selfdistill.cli import report


def test_the_page_is_written_and_its_path_printed(fine_tuned, tmp_path, caplog):
    run = shutil.copytree(fine_tuned, tmp_path / "run")
    with caplog.at_level("INFO"):
        report.main(["--run", str(run)])
    assert caplog.messages[-1] == f"The report is {run / 'report.html'}" and (run / "report.html").is_file()


def test_errors_are_one_line_and_name_the_flag(fine_tuned, tmp_path):
    with pytest.raises(SystemExit, match=r"^error: .*nowhere has no run\.json: it is not a run"):
        report.main(["--run", str(tmp_path / "nowhere")])
    (tmp_path / "big.png").write_bytes(bytes(3_000_000))
    with pytest.raises(SystemExit, match=r"^error: the pictures of --saliency have 3\.0 MB"):
        report.main(["--run", str(fine_tuned), "--saliency", str(tmp_path / "big.png")])
    with pytest.raises(SystemExit, match=r"gone\.png"):
        report.main(["--run", str(fine_tuned), "--saliency", str(tmp_path / "gone.png")])


def test_the_run_is_required(capsys):
    with pytest.raises(SystemExit):
        report.main([])
    assert "--run" in capsys.readouterr().err
