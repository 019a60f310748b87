"""Run the tests of each promise and the fuzzing, and write `docs/reliability.md`: `make reliability`."""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROMISES = {
    "A video is a file of frames: playlists, addresses, pipes and devices are refused": "data/test_containers.py",
    "The memory of frames and of the decoder is limited": "data/test_decoder.py",
    "Random access gives the frames of a sequential decode, for every encoder and container": (
        "data/test_decoding_corpus.py"
    ),
    "Damaged or oversized files of a model are refused by name": "models/test_untrusted.py",
    "A foreign checkpoint is converted completely or refused; it never runs code": "models/test_conversion.py",
    "A damaged checkpoint is refused by the name of the file": "training/test_manifest.py",
    "Damaged files beside videos in tar shards are not read": "data/test_video_files.py",
    "Result files are written atomically": "data/test_whole_files.py",
    "A signal ends a run with a checkpoint": "training/test_signals.py",
    "Bad videos are named, and the run goes on": "cli/test_bad_input.py",
    "An error is one line": "cli/test_errors.py",
    "The page serves, keeps and shows nothing else than uploads and examples": "runs/test_page.py",
}
TARGETS = {"videos": "`read_frames`", "lists": "readers of lists", "checkpoints": "converter of checkpoints"}
PAGE = """# Reliability

Each promise of `SECURITY.md` and of the guides has tests. `make reliability` ran them and wrote this page with
{python}, PyTorch {torch} and PyAV {av}.
"""


def run_tests() -> list[str]:
    """Return a row per promise."""
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch, "report.xml")
        files = [str(ROOT / "tests" / file) for file in PROMISES.values()]
        options = ["-q", "-n", "0", "-o", "addopts=--import-mode=importlib", "-o", "junit_family=xunit1"]
        subprocess.run(
            [sys.executable, "-m", "pytest", *options, f"--junitxml={report}", *files], cwd=ROOT, check=False
        )
        counts: dict[str, Counter[str]] = {file: Counter() for file in PROMISES.values()}
        for case in ElementTree.parse(report).iter("testcase"):
            outcome = next((part.tag for part in case if part.tag in ("failure", "error", "skipped")), "passed")
            file = str(case.get("file")).removeprefix("tests/")
            counts[file][outcome] += 1
    rows = []
    for promise, file in PROMISES.items():
        count = counts[file]
        skipped, failures = count["skipped"], count["failure"] + count["error"]
        rows.append(f"| {promise} | `tests/{file}` | {count.total() - skipped} | {skipped} | {failures} |")
    return rows


def fuzz(seconds: float) -> list[str]:
    """Return a row per target."""
    path = os.pathsep.join([str(ROOT / "tests" / "data"), str(ROOT / "tests" / "models"), *sys.path])
    rows = []
    for target, what in TARGETS.items():
        command = [sys.executable, "-W", "ignore", str(Path(__file__).with_name("fuzz.py")), target, str(seconds)]
        ran = subprocess.run(
            command, env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, text=True, check=False
        )
        cases, failures = ran.stdout.split() if ran.returncode == 0 else ("?", f"exit code {ran.returncode}")
        rows.append(f"| {what} | {seconds:g} | {cases} | {failures} |")
    return rows


def main() -> None:
    """Write the page."""
    import av
    import torch

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="time of the fuzzing of each target")
    seconds = parser.parse_args().seconds
    head = PAGE.format(python=f"Python {platform.python_version()}", torch=torch.__version__, av=av.__version__)
    tests = ["| promise | tests | cases | skipped | failures |", "|---|---|---|---|---|", *run_tests()]
    fuzzed = ["| target | seconds | mutations | failures |", "|---|---|---|---|", *fuzz(seconds)]
    note = (
        "A failure is a crash, a case of more than a minute, or an error of another class than `ValueError` and\n"
        "`OSError`. The seed is 0; the number of mutations depends on the machine."
    )
    text = "\n".join([head, "## Promises\n", *tests, "\n## Fuzzing\n", note, "", *fuzzed])
    (ROOT / "docs" / "reliability.md").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
