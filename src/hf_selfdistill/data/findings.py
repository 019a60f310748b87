"""What is found out about the videos of a stream, of which no process has a list."""

from __future__ import annotations

import json
from pathlib import Path

__all__ = ["VideoFindings"]


class VideoFindings:
    """Videos with what is said of them, in a file of JSON lines to which all processes and their workers add.

    Args:
        file: need not exist; what it holds, as when a run resumes, is kept.
    """

    def __init__(self, file: str | Path) -> None:
        self.file = Path(file)
        self._added: set[tuple[str, str]] = set()

    def add(self, kind: str, video: str, words: str) -> None:
        """Write a line, unless this process has said the same kind of thing of the video."""
        if (kind, video) not in self._added:
            self._added.add((kind, video))
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with self.file.open("a", encoding="utf-8") as lines:  # a line is one write, so that processes do not mix
                lines.write(json.dumps({"kind": kind, "video": video, "words": words}) + "\n")

    def read(self, kind: str) -> dict[str, str]:
        """Video → words, by name, whoever wrote them."""
        if not self.file.is_file():
            return {}
        found = map(json.loads, self.file.read_text(encoding="utf-8").splitlines())
        return dict(sorted((line["video"], line["words"]) for line in found if line["kind"] == kind))

    def clear(self) -> None:
        """Begin anew."""
        self.file.unlink(missing_ok=True)
