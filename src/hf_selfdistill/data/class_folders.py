"""Videos in one folder per class."""

from __future__ import annotations

from collections import Counter
from pathlib import Path, PurePath

from hf_selfdistill.data.annotations import SPLITS, VideoEntry, ucf101_group
from hf_selfdistill.data.video_files import FOLDERS_OF_SYSTEMS, VIDEO_SUFFIXES, say_once, videos_below

__all__ = ["scan_class_folders"]


def scan_class_folders(root: Path) -> tuple[list[str], list[VideoEntry]]:
    """Find `root/<class>/**/*.mp4`, or `root/<part>/<class>/**/*.mp4`, with a part of `SPLITS` in any case.

    The second layout applies if the folder of the training part holds folders. Each file is a separate group, except
    for file names like UCF101's: their group is `gXX`, because a random cut would leak such videos from training to
    test.

    Returns:
        Names of the classes in alphabetical order, and the videos.

    Raises:
        ValueError: there are no class folders, or a class folder holds no video.
    """
    parts = {folder: SPLITS[folder.name.lower()] for folder in _folders(root) if folder.name.lower() in SPLITS}
    if not any(_folders(folder) for folder, split in parts.items() if split == "train"):
        parts = {}
    depth = 2 if parts else 1
    videos: dict[Path, list[str]] = {
        folder: [] for parent in parts or [root] for folder in _class_folders(root, parent)
    }
    outside = Counter[str]()
    for path in map(PurePath, videos_below(root)):
        folder = root.joinpath(*path.parts[:depth])
        if folder in videos:
            videos[folder].append(path.as_posix())
        else:
            outside[path.parent.as_posix()] += 1
    if outside:
        folders = ", ".join(f"{folder} ({number})" for folder, number in sorted(outside.items()))
        say_once(f"{outside.total()} of them left out, as these folders in {root} are no class folders: {folders}")
    for folder, paths in videos.items():
        if not paths:
            raise ValueError(f"{folder} holds no video ({' '.join(sorted(VIDEO_SUFFIXES))}); fill it or remove it")
    entries = [
        VideoEntry(path, folder.name, ucf101_group(path), parts.get(folder.parent))
        for folder, paths in videos.items()
        for path in paths
    ]
    return sorted({entry.label for entry in entries}), entries


def _folders(parent: Path) -> list[Path]:
    hidden = FOLDERS_OF_SYSTEMS
    return sorted(
        path for path in parent.iterdir() if path.name[0] != "." and path.name not in hidden and path.is_dir()
    )


def _class_folders(root: Path, parent: Path) -> list[Path]:
    if folders := _folders(parent):
        return folders
    loose = sum(file.suffix.lower() in VIDEO_SUFFIXES for file in parent.iterdir())
    raise ValueError(
        f"{parent} holds no class folders; videos directly in this folder: {loose}; arrange the "
        f"videos as {root}/CLASS/video.mp4, or as {root}/train/CLASS/video.mp4 and {root}/test/CLASS/video.mp4"
    )
