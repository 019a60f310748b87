"""Videos without labels: the files of a folder, of a list or of a user's choice, and tar shards."""

from __future__ import annotations

import logging
import os
import re
import tarfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import datasets

from hf_selfdistill.data.containers import escaped

__all__ = [
    "FOLDERS_OF_SYSTEMS",
    "VIDEO_SUFFIXES",
    "find_videos",
    "hint_for_missing",
    "listed_videos",
    "named_videos",
    "say_once",
    "stream_shards",
    "videos_below",
]

logger = logging.getLogger(__name__)

VIDEO_SUFFIXES = frozenset(  # FFmpeg opens them all
    """.3g2 .3gp .asf .avi .divx .f4v .flv .gif .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .mxf .ogv .ts .vob .webm
    .wmv""".split()
)
FOLDERS_OF_SYSTEMS = frozenset({"@eaDir", "__MACOSX", "lost+found"})
_CLASS_NUMBER = re.compile(r"\s+\d+$")


def find_videos(root: Path) -> datasets.Dataset:
    """Find every video file in `root` and its subfolders, in alphabetical order, as the column `video`.

    Raises:
        ValueError: the folder is missing or holds no video.
    """
    if not root.is_dir():
        raise ValueError(f"`root` {root} is not a folder; give the folder of the videos")
    return _records([root.absolute() / file for file in videos_below(root)])


def named_videos(names: Sequence[str]) -> datasets.Dataset:
    """Return the named files, and every video file in the named folders and their subfolders, as the column `video`.

    A file need not exist; the error comes when it is read. Duplicates are removed.

    Args:
        names: paths of files and folders.

    Raises:
        ValueError: `names` is empty, or a folder holds no video.
    """
    files = [file for name in names for file in _named(Path(name).expanduser())]
    if not files:
        raise ValueError("`names` is empty; give video files, or folders of videos")
    return _records(list(dict.fromkeys(files)))


def listed_videos(file: Path, root: Path | None = None, max_missing_fraction: float = 0.05) -> datasets.Dataset:
    """Read a list of videos, a text file with one path per line, as the column `video`.

    Args:
        file: the list, UTF-8. Empty lines are skipped. If a line is not the path of a file, a number after the path
            (the class, in UCF101's lists) is ignored.
        root: base folder of relative paths; None is the folder of the list.
        max_missing_fraction: largest allowed share of missing files. Missing files are logged and stay in the data
            set, where they count as unreadable.

    Raises:
        ValueError: the list can't be read or is empty, or too many of its videos are missing.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"the list of videos {file} can't be read: {error}") from error
    folder = file.parent if root is None else root
    files = [_named_by(line.strip(), folder) for line in text.splitlines() if line.strip()]
    if not files:
        raise ValueError(f"the list of videos {file} is empty; give one path per line")
    missing = [path for path in files if not path.is_file()]
    if missing:
        about = f"{len(missing)} of the {len(files)} videos of {file} are missing, the first: {missing[0]}"
        about += hint_for_missing([os.path.relpath(path, folder) for path in missing], folder)
        if len(missing) == len(files) or len(missing) > max_missing_fraction * len(files):
            raise ValueError(f"{about}; check `root`, the base folder of relative paths")
        logger.warning("%s", about)
    say_once(f"{len(files)} videos in {file}")
    return _records([file.absolute() for file in files])


def videos_below(root: Path) -> list[str]:
    """Return the video files in a folder and its subfolders, relative to it, in alphabetical order.

    Links to folders are followed, and each folder is visited once. Hidden files, folders that operating systems
    write, and files that are not videos by their type are left out; the log has their numbers.

    Raises:
        ValueError: the folder holds no video.
    """
    found, left_out, seen = [], Counter[str](), {os.path.realpath(root)}
    for folder, folders, files in os.walk(root, followlinks=True, onerror=lambda _: left_out.update(["unreadable"])):
        visited = []
        for name in sorted(folders):
            real = os.path.realpath(os.path.join(folder, name))
            if name.startswith(".") or name in FOLDERS_OF_SYSTEMS:
                left_out["hidden or of the system"] += 1
            elif real in seen:
                left_out["links to a folder that is listed already"] += 1
            else:
                seen.add(real)
                visited.append(name)
        folders[:] = visited
        for name in files:
            suffix = os.path.splitext(name)[1].lower()
            if name.startswith("."):
                left_out["hidden or of the system"] += 1
            elif suffix not in VIDEO_SUFFIXES:
                left_out[f"of type {suffix or 'none'}"] += 1
            elif not os.path.isfile(path := os.path.join(folder, name)):
                left_out["no regular file"] += 1
            else:
                found.append(os.path.relpath(path, root) if folder != str(root) else name)
    reasons = ", ".join(f"{number} {reason}" for reason, number in left_out.most_common())
    if not found:
        types = " ".join(sorted(VIDEO_SUFFIXES))
        raise ValueError(f"no video ({types}) in {root} or its subfolders{reasons and '; left out: ' + reasons}")
    say_once(f"{len(found)} videos in {root}{reasons and '; left out: ' + reasons}")
    return sorted(found, key=lambda path: path.split(os.sep))


@cache
def say_once(message: str) -> None:
    """Log a message, unless it was logged before."""
    logger.info("%s", message)


def _named(path: Path) -> list[Path]:
    return [path / file for file in videos_below(path)] if os.path.isdir(path) else [path]


def hint_for_missing(missing: Sequence[str], root: Path) -> str:
    """Describe the change to the paths of a list that finds most of the missing videos; empty if none finds any."""

    def found(paths: Sequence[str], folders: int, suffix: str) -> int:
        """Count the videos that are found without the first folders, and with another suffix if one is given."""
        changed = ["/".join(path.replace("\\", "/").split("/")[folders:]) for path in paths]
        changed = [os.path.splitext(path)[0] + suffix if suffix else path for path in changed]
        return sum(os.path.isfile(os.path.join(root, path)) for path in changed)

    first = missing[:20]
    folders, suffix = max(product(range(4), ("", *sorted(VIDEO_SUFFIXES))), key=lambda change: found(first, *change))
    if not (number := found(missing, folders, suffix)):
        return ""
    changes = ["with / in place of \\"] if any("\\" in path for path in missing) else []
    changes += [f"without the first {f'{folders} folders' if folders > 1 else 'folder'}"] if folders else []
    changes += [f"with the suffix {suffix}"] if suffix else []
    return f" ({number} of them were found {', '.join(changes)})"


def _named_by(line: str, folder: Path) -> Path:
    whole = folder / line
    return whole if whole.is_file() else folder / _CLASS_NUMBER.sub("", line)


def stream_shards(root: Path) -> datasets.IterableDataset:
    """Stream the videos of the tar files in `root`, in WebDataset's layout, as the column `video`.

    Files beside the videos are not read: `datasets` would decode them all, and end at the first damaged one.

    Raises:
        ValueError: there is no tar file, one is damaged, or the first one does not hold videos of exactly one format.
    """
    shards = sorted(str(shard) for shard in root.glob("*.tar"))
    if not shards:
        raise ValueError(f"`root` {root} holds no *.tar; give the folder of the shards")
    with _opened(shards[0]) as tar:
        held = sorted({_extension(member) for member in tar if member.isfile()})
    kinds = [extension for extension in held if f".{extension.lower()}" in VIDEO_SUFFIXES]
    if len(kinds) != 1:
        raise ValueError(f"the tar files in {root} hold {held}, but need videos of one format")
    features = datasets.Features(video=datasets.Video(decode=False))
    settings = {"shards": shards, "extensions": tuple(kinds)}
    return datasets.IterableDataset.from_generator(_videos_of_shards, features=features, gen_kwargs=settings)


def _videos_of_shards(shards: list[str], extensions: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    for shard in shards:
        with _opened(shard) as tar:
            for member in tar:
                if member.isfile() and _extension(member) in extensions:
                    content = tar.extractfile(member)
                    assert content is not None
                    yield {"video": {"path": member.name, "bytes": content.read()}}


@contextmanager
def _opened(shard: str) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(shard) as tar:
            yield tar
    except tarfile.ReadError as error:
        raise ValueError(f"{shard} is not a tar file, or it is cut off ({error}); write it again") from None


def _extension(member: tarfile.TarInfo) -> str:
    return os.path.basename(member.name).partition(".")[2]


def _records(files: list[Path]) -> datasets.Dataset:
    features = datasets.Features(video=datasets.Video(decode=False))
    return datasets.Dataset.from_dict({"video": [escaped(file) for file in files]}, features=features)
