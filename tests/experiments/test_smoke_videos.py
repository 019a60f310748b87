from __future__ import annotations

from pathlib import Path

import pytest

from hf_selfdistill.data.datasets import load_video_dataset
from hf_selfdistill.data.moving_shapes import FINETUNING_MOTIONS
from hf_selfdistill.experiments.smoke_videos import write_smoke_videos


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    return write_smoke_videos(tmp_path_factory.mktemp("smoke"))


@pytest.mark.parametrize("name", ["ucf101", "hmdb51"])
def test_the_data_sets_are_loaded_like_the_real_ones(videos, name):
    places = videos._asdict()
    parts = load_video_dataset(name, places[f"{name}_root"], places[f"{name}_annotations"])
    assert sorted(parts["train"].features["label"].names) == sorted(FINETUNING_MOTIONS)
    assert len(parts["train"]) + len(parts["validation"]) == 9 * len(FINETUNING_MOTIONS)
    assert len(parts["test"]) == 3 * len(FINETUNING_MOTIONS) and len(parts["validation"]) > 0


def test_all_videos_are_different(videos):
    files = [
        {file.read_bytes() for suffix in ("mp4", "avi") for file in Path(root).rglob(f"*.{suffix}")}
        for root in (videos.ucf101_root, videos.hmdb51_root, videos.kinetics_root)
    ]
    assert list(map(len, files)) == [72, 72, 96] and len(set().union(*files)) == 240


def test_existing_videos_are_not_written_again(tmp_path):
    before = write_smoke_videos(tmp_path)
    (tmp_path / "UCF-101" / "moving_shapes.csv").unlink()
    assert write_smoke_videos(tmp_path) == before
    assert not (tmp_path / "UCF-101" / "moving_shapes.csv").exists()
