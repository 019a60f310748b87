"""Runs a script as a user does, on one process or on several."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HELPERS = [str(Path(__file__).parent / folder) for folder in (".", "data", "models")]


def command_of(script: Path, processes: int = 1) -> list[str]:
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    return [sys.executable, *(launcher if processes > 1 else []), str(script)]


def run_processes(
    script: Path, *words: object, processes: int = 1, timeout: int = 240
) -> subprocess.CompletedProcess[str]:
    """The script may import what the tests share; stdout and stderr are kept apart."""
    path = os.pathsep.join([*HELPERS, *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.run(
        [*command_of(script, processes), *map(str, words)],
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path},
        check=False,
    )


def run_without_reader(*words: object) -> tuple[int, str]:
    """Exit code and stderr of a command whose standard output nobody reads."""
    command = subprocess.Popen(
        [sys.executable, "-m", "hf_selfdistill", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    command.stdout.close()
    said = command.stderr.read()
    return command.wait(120), said
