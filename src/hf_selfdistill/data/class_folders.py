"""Videos in one folder per class."""

from __future__ import annotations

from pathlib import Path

from hf_selfdistill.data.annotations import SPLITS, VideoEntry, ucf101_group

__all__ = ["VIDEO_SUFFIXES", "scan_class_folders"]

VIDEO_SUFFIXES = frozenset(
    ".3gp .avi .flv .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .ogv .ts .webm .wmv".split()  # FFmpeg opens them all
)


def scan_class_folders(root: Path) -> tuple[list[str], list[VideoEntry]]:
    """Find `root/<class>/*.mp4`, or `root/{train,val,validation,test}/<class>/*.mp4`.

    The second layout applies if `root/train` holds folders. Each file is a separate group, except for file names like
    UCF101's: their group is `gXX`, because a random cut would leak such videos from training to test.

    Returns:
        Names of the classes in alphabetical order, and the videos.

    Raises:
        ValueError: there are no class folders, or a class folder holds no video.
    """
    if not any(folder.is_dir() for folder in (root / "train").glob("*")):
        entries = _scan(root, root, None)
    else:
        splits = {name: root / name for name in SPLITS if (root / name).is_dir()}
        entries = [entry for name, folder in splits.items() for entry in _scan(root, folder, SPLITS[name])]
    return sorted({entry.label for entry in entries}), entries


def _scan(root: Path, parent: Path, split: str | None) -> list[VideoEntry]:
    folders = sorted(folder for folder in parent.iterdir() if folder.is_dir() and not folder.name.startswith("."))
    if not folders:
        loose = sum(file.suffix.lower() in VIDEO_SUFFIXES for file in parent.iterdir())
        raise ValueError(
            f"{parent} holds no class folders; videos directly in this folder: {loose}; arrange the "
            f"videos as {root}/CLASS/video.mp4, or as {root}/train/CLASS/video.mp4 and {root}/test/CLASS/video.mp4"
        )
    entries = []
    for folder in folders:
        videos = sorted(file for file in folder.iterdir() if file.suffix.lower() in VIDEO_SUFFIXES)
        if not videos:
            raise ValueError(f"{folder} holds no video ({' '.join(sorted(VIDEO_SUFFIXES))}); fill it or remove it")
        paths = [file.relative_to(root).as_posix() for file in videos]
        entries += [VideoEntry(path, folder.name, ucf101_group(path), split) for path in paths]
    return entries
