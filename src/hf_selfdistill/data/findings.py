"""Notes about the videos of a stream, shared by processes that have no list of the videos."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from torch.utils.data import get_worker_info

__all__ = ["VideoFindings"]

logger = logging.getLogger(__name__)


class VideoFindings:
    """Notes about videos, in a folder where each process and each of its workers has a file.

    Args:
        folder: folder of the files, made if missing. Notes that it holds, for instance from before a resume, are kept.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._added: set[tuple[str, str]] | None = None  # kind and video of the notes in this worker's file

    def add(self, kind: str, video: str, words: str) -> None:
        """Write a note about a video, at most one of each kind.

        Args:
            kind: kind of the note, such as `unreadable`.
            video: name of the video.
            words: text of the note.
        """
        worker = get_worker_info()
        file = self.folder / f"{os.environ.get('RANK', '0')}-{'main' if worker is None else worker.id}.jsonl"
        if self._added is None:
            self._added = {(found["kind"], found["video"]) for found in _lines(file)}
        if (kind, video) not in self._added:
            self._added.add((kind, video))
            self.folder.mkdir(parents=True, exist_ok=True)
            with file.open("a", encoding="utf-8") as lines:  # begins a line, so that a cut-off line spoils no other
                lines.write("\n" + json.dumps({"kind": kind, "video": video, "words": words}))

    def read(self, kind: str) -> dict[str, str]:
        """Return the notes of one kind from all processes: text by video, sorted by name."""
        found = [found for file in sorted(self.folder.glob("*.jsonl")) for found in _lines(file)]
        return dict(sorted((line["video"], line["words"]) for line in found if line["kind"] == kind))

    def clear(self) -> None:
        """Delete all notes."""
        self._added = None
        shutil.rmtree(self.folder, ignore_errors=True)


def _lines(file: Path) -> Iterator[dict[str, str]]:
    for line in file.read_text(encoding="utf-8").split("\n") if file.is_file() else ():
        try:
            if line:
                yield json.loads(line)
        except ValueError:
            logger.warning("Ignored a line of %s that was cut off: %.60s", file, line)
