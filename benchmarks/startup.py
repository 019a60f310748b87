"""CPU time and memory of imports and of the command line, each in a process of its own.

python benchmarks/startup.py
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys

from interleaved import print_machine, print_table

SUBJECTS = {
    "python": "",
    "import hf_selfdistill": "import hf_selfdistill",
    "hf-selfdistill --help": "from hf_selfdistill.cli.console import main; main(['--help'])",
    "our trainer": "from hf_selfdistill import SelfDistillationTrainer",
    "our encoder": "from hf_selfdistill import C3DModel",
    "the plain Trainer": "from transformers import Trainer",
    "transformers' VideoMAE": "from transformers import VideoMAEModel",
}
PEERS = [
    ("import hf_selfdistill", "python"),
    ("hf-selfdistill --help", "python"),
    ("our trainer", "the plain Trainer"),
    ("our encoder", "transformers' VideoMAE"),
]


def run(code: str) -> tuple[float, float]:
    """Return CPU time in milliseconds and peak memory in megabytes."""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, code
    return 1000 * (usage.ru_utime + usage.ru_stime), usage.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    args = parser.parse_args()
    print_machine()
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in SUBJECTS}
    for _ in range(args.rounds):
        for name, code in SUBJECTS.items():
            measured[name].append(run(code))
    for column, (title, unit) in enumerate([("start, CPU time", "ms"), ("start, peak memory", "MB")]):
        medians = {name: statistics.median(row[column] for row in rows) for name, rows in measured.items()}
        print_table(title, [(ours, medians[ours], theirs, medians[theirs]) for ours, theirs in PEERS], unit)


if __name__ == "__main__":
    main()
