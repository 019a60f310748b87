"""CPU time of several subjects that take turns, as Markdown tables."""

from __future__ import annotations

import datetime
import importlib
import os
import platform
import re
import statistics
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from tqdm import tqdm


def peer(module: str) -> ModuleType | None:
    """Import a peer; say so and return None if it is not installed."""
    try:
        return importlib.import_module(module)
    except (ImportError, OSError, RuntimeError) as error:  # some peers lack shared libraries
        print(f'- {module} is left out ({str(error).splitlines()[0]}): pip install "hf_selfdistill[bench]"')
        return None


def measure(
    subjects: dict[str, Callable[[], Any]], rounds: int, clock: Callable[[], float] = time.process_time
) -> dict[str, float]:
    """Return the median CPU time of each subject in milliseconds; the first of `rounds` + 1 rounds warms up."""
    seconds: dict[str, list[float]] = {name: [] for name in subjects}
    for round_ in tqdm(range(rounds + 1), leave=False):
        for name, subject in subjects.items():
            start = clock()
            subject()
            if round_:
                seconds[name].append(clock() - start)
    return {name: 1000 * statistics.median(values) for name, values in seconds.items()}


def print_machine(*packages: str) -> None:
    """Print date, processor, threads, load and versions."""
    names = (
        re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text()) if platform.system() == "Linux" else []
    )
    cores, load = os.cpu_count(), os.getloadavg()[0]
    versions = ", ".join(f"{name} {version(name)}" for name in ("hf_selfdistill", "torch", "transformers", *packages))
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    print(f"{today}, {names[0] if names else platform.machine()}, {cores} cores, load {load:.1f}, ", end="")
    print(f"{torch.get_num_threads()} threads; {versions}. CPU time.\n")


def print_table(title: str, rows: Sequence[tuple[str, float, str, float]], unit: str = "ms") -> None:
    """Print rows of (ours, its value, peer, its value) with their ratio."""
    print(f"| {title} | ours, {unit} | peer | peer's, {unit} | ratio |\n|---|---|---|---|---|")
    for ours, mine, other, theirs in rows:
        print(f"| {ours} | {mine:.4g} | {other} | {theirs:.4g} | {mine / theirs:.2f} |")
    print(flush=True)
