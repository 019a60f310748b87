"""Runs a script as a user does, on one process or on several, or a function of the tests on two."""

from __future__ import annotations

import gc
import multiprocessing
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

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


def run_on_two(function: Callable[..., None], *args: Any) -> None:
    """Call a function on two processes that find each other as under torchrun, without importing PyTorch in each."""
    multiprocessing.set_forkserver_preload(["transformers.trainer", "accelerate", "datasets", "av", "torchvision"])
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    torch.multiprocessing.start_processes(_rank, (port, function, args), nprocs=2, start_method="forkserver")


def _rank(rank: int, port: int, function: Callable[..., None], args: tuple[Any, ...]) -> None:
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2, "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in place.items()}, MASTER_ADDR="127.0.0.1")
    multiprocessing.set_start_method("fork", force=True)  # of DataLoaders, as under torchrun
    gc.freeze()
    function(*args)
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


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
