"""Mutation fuzzing with a fixed seed: `python fuzz.py videos|lists|checkpoints SECONDS` prints cases and failures."""

from __future__ import annotations

import argparse
import io
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from reference_nets import ReferenceC3D
from videos import numbered_frames, write_video

from hf_selfdistill.data.annotations import read_csv_list
from hf_selfdistill.data.decoding import read_frames
from hf_selfdistill.data.video_files import listed_videos
from hf_selfdistill.models.conversion import load_foreign_checkpoint

SLOW = 60  # seconds for one case
CODECS = {"mp4": "libx264", "avi": "mpeg4", "mkv": "libx265", "webm": "libvpx-vp9", "ts": "mpeg2video", "gif": "gif"}


def mutate(content: bytes, draw: random.Random) -> bytes:
    """Change bytes, cut, repeat, or join a file with itself."""
    mutated = bytearray(content)
    for _ in range(draw.choice((1, 2, 8, 64))):
        place = draw.randrange(len(mutated) or 1)
        match draw.randrange(5):
            case 0:
                mutated[place : place + 1] = bytes([draw.randrange(256)])
            case 1:
                mutated[place : place + 4] = draw.choice((b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff"))
            case 2:
                del mutated[place : place + draw.choice((1, 4, 100))]
            case 3:
                mutated[place:place] = mutated[place : place + draw.choice((1, 4, 100))]
            case 4:
                mutated[place:place] = draw.choice((b"\0", b"\n", b'"', b",", b"moov", b"\xe9"))
    return bytes(mutated)


def videos(folder: Path) -> tuple[list[bytes], Callable[[bytes], object]]:
    """Small videos of several codecs, and the reader."""
    paths = [folder / f"v.{kind}" for kind in CODECS]
    for path, codec in zip(paths, CODECS.values(), strict=True):
        pix_fmt = "rgb8" if codec == "gif" else "yuv420p"
        options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
        write_video(path, numbered_frames(8), codec=codec, pix_fmt=pix_fmt, options=options)
    return [path.read_bytes() for path in paths], lambda content: read_frames(content, [5, 0, 9], max_seconds=20)


def lists(folder: Path) -> tuple[list[bytes], Callable[[bytes], object]]:
    """A CSV list and a text list, and their readers."""
    write_video(folder / "v.mp4", numbered_frames(2))
    rows = "".join(f"v.mp4,{label},g{label},{split}\n" for label in "ab" for split in ("train", "test"))

    def read(content: bytes) -> None:
        (folder / "list").write_bytes(content)
        for reader in (read_csv_list, listed_videos):
            try:
                reader(folder / "list")
            except (ValueError, OSError):
                continue

    return [f"video,label,group,split\n{rows}".encode(), b"v.mp4\nv.mp4 3\n"], read


def checkpoints(folder: Path) -> tuple[list[bytes], Callable[[bytes], object]]:
    """A checkpoint, and the converter."""
    content = io.BytesIO()
    torch.save({"state_dict": ReferenceC3D((4, 8, 8, 8, 8)).state_dict()}, content)

    def read(content: bytes) -> None:
        (folder / "c.pth.tar").write_bytes(content)
        load_foreign_checkpoint(folder / "c.pth.tar", "pace")

    return [content.getvalue()], read


def main() -> None:
    """Run one target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=["videos", "lists", "checkpoints"])
    parser.add_argument("seconds", type=float)
    arguments = parser.parse_args()
    draw, cases, failures, end = random.Random(0), 0, 0, time.monotonic() + arguments.seconds
    with tempfile.TemporaryDirectory() as scratch:
        seeds, read = globals()[arguments.target](Path(scratch))
        while time.monotonic() < end:
            content, start, cases = mutate(draw.choice(seeds), draw), time.monotonic(), cases + 1
            try:
                read(content)
                failure = None
            except (ValueError, OSError):
                failure = None
            except Exception as error:
                failure = f"{type(error).__name__}: {error}"
            if failure or time.monotonic() - start > SLOW:
                failures += 1
                kept = Path(tempfile.gettempdir(), f"fuzz-{arguments.target}-{cases}")
                kept.write_bytes(content)
                sys.stderr.write(f"{kept}: {failure or 'slow'}\n")
    sys.stdout.write(f"{cases} {failures}\n")


if __name__ == "__main__":
    main()
