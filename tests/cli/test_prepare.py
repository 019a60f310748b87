import logging

import pytest
from videos import numbered_frames, write_video

from hf_selfdistill.cli.prepare import main


def test_a_folder_is_prepared(tmp_path, caplog):
    (tmp_path / "videos").mkdir()
    write_video(tmp_path / "videos" / "v.mp4", numbered_frames(12, 32, 32))
    with caplog.at_level(logging.INFO):
        main(["--dataset_root", str(tmp_path / "videos"), "--output_dir", str(tmp_path / "out"), "--num_workers", "0"])
    assert (tmp_path / "out" / "v.mp4").is_file()
    assert "1 videos with 12 to 12 frames" in caplog.text and "The prepared videos take" in caplog.text


def test_a_missing_folder_is_one_line(tmp_path):
    with pytest.raises(SystemExit, match=r"error: --dataset_root .* is not a folder"):
        main(["--dataset_root", str(tmp_path / "none"), "--output_dir", str(tmp_path / "out")])
