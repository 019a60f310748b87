"""What is found out about the videos of a stream, of which no process has a list."""

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
    """Videos with what is said of them, in a folder where each process and each of its workers has a file.

    Args:
        folder: need not exist; what it holds, as when a run resumes, is kept.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._added: set[tuple[str, str]] | None = None  # by this worker, or one before it

    def add(self, kind: str, video: str, words: str) -> None:
        """Note what is said of a video, once of each kind."""
        worker = get_worker_info()
        file = self.folder / f"{os.environ.get('RANK', '0')}-{'main' if worker is None else worker.id}.jsonl"
        if self._added is None:
            self._added = {(found["kind"], found["video"]) for found in _lines(file)}
        if (kind, video) not in self._added:
            self._added.add((kind, video))
            self.folder.mkdir(parents=True, exist_ok=True)
            with file.open("a", encoding="utf-8") as lines:  # what was cut off before stays a line of its own
                lines.write("\n" + json.dumps({"kind": kind, "video": video, "words": words}))

    def read(self, kind: str) -> dict[str, str]:
        """Video → words, by name, whoever noted them in this folder."""
        found = [found for file in sorted(self.folder.glob("*.jsonl")) for found in _lines(file)]
        return dict(sorted((line["video"], line["words"]) for line in found if line["kind"] == kind))

    def clear(self) -> None:
        """Begin anew."""
        self._added = None
        shutil.rmtree(self.folder, ignore_errors=True)


def _lines(file: Path) -> Iterator[dict[str, str]]:
    for line in file.read_text(encoding="utf-8").split("\n") if file.is_file() else ():
        try:
            if line:
                yield json.loads(line)
        except ValueError:
            logger.warning("%s has a line that was cut off: %.60s", file, line)
