"""Generated videos in the layouts of UCF101, HMDB51 and Kinetics, with their official lists."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

from hf_selfdistill.data.moving_shapes import FINETUNING_MOTIONS, PRETRAINING_MOTIONS, write_moving_shapes

__all__ = ["SmokeVideos", "write_smoke_videos"]

VIDEOS, FRAMES, SIZE = 12, 20, 32
"""Videos per class, frames per video, pixels per side."""


class SmokeVideos(NamedTuple):
    """Folders of the generated videos and lists."""

    kinetics_root: str
    ucf101_root: str
    ucf101_annotations: str
    hmdb51_root: str
    hmdb51_annotations: str


def write_smoke_videos(root: Path) -> SmokeVideos:
    """Write the three data sets unless they exist; UCF101 and HMDB51 have 9 training and 3 test groups."""
    names = ("kinetics", "UCF-101", "ucfTrainTestlist", "hmdb51_org", "testTrainMulti_7030_splits")
    kinetics, ucf101, ucf101_lists, hmdb51, hmdb51_lists = (root / name for name in names)
    if not (root / "whole.txt").is_file():
        write_moving_shapes(kinetics, PRETRAINING_MOTIONS, VIDEOS, 2 * FRAMES, SIZE, seed=2)
        _write_ucf101_lists(_write_videos(ucf101, seed=0), ucf101_lists)
        _write_hmdb51_lists(_write_videos(hmdb51, seed=1), hmdb51, hmdb51_lists)
        (root / "whole.txt").touch()
    return SmokeVideos(*map(str, (kinetics, ucf101, ucf101_lists, hmdb51, hmdb51_lists)))


def _write_videos(root: Path, seed: int) -> list[dict[str, str]]:
    file = write_moving_shapes(root, FINETUNING_MOTIONS, VIDEOS, FRAMES, SIZE, seed)
    with file.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _write_ucf101_lists(rows: list[dict[str, str]], folder: Path) -> None:
    numbers = {label: number for number, label in enumerate(FINETUNING_MOTIONS, start=1)}
    _write(folder / "classInd.txt", [f"{number} {label}" for label, number in numbers.items()])
    train = [f"{row['video']} {numbers[row['label']]}" for row in rows if row["split"] == "train"]
    _write(folder / "trainlist01.txt", train)
    _write(folder / "testlist01.txt", [row["video"] for row in rows if row["split"] == "test"])


def _write_hmdb51_lists(rows: list[dict[str, str]], root: Path, folder: Path) -> None:
    """Rename the videos to `<film>_<class>_…`, as HMDB51 does, and write one list per class."""
    lines: dict[str, list[str]] = {label: [] for label in FINETUNING_MOTIONS}
    for row in rows:
        label, video = row["label"], Path(row["video"])
        name = f"{row['group']}_{label}_0{video.suffix}"
        (root / video).rename(root / label / name)
        lines[label].append(f"{name} {1 if row['split'] == 'train' else 2}")
    for label, own in lines.items():
        _write(folder / f"{label}_test_split1.txt", own)


def _write(file: Path, lines: list[str]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
