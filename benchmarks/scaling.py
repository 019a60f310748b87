"""CPU time per clip of a training step with self-distillation, by batch, frames, classes and processes.

python benchmarks/scaling.py

Each row is compared with the first value of its series. Several processes train with DistributedDataParallel.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from interleaved import measure, print_machine, print_table
from torch import nn

from hf_selfdistill import C3DConfig, C3DForVideoClassification, SelfDistillationArguments, SelfDistillationTrainer

SERIES = {"batch": [2, 4, 8], "frames": [8, 16, 32], "classes": [10, 400, 4000], "processes": [1, 2]}
USUAL = {"batch": 2, "frames": 16, "classes": 101}
SGD = {"optim": "sgd", "learning_rate": 1e-4, "use_cpu": True, "report_to": "none"}


def make_step(folder: str, size: int, batch: int, frames: int, classes: int):
    trainer = SelfDistillationTrainer(
        C3DForVideoClassification(C3DConfig(num_labels=classes)), SelfDistillationArguments(folder, **SGD)
    )
    optimizer = trainer.create_optimizer()
    inputs = {"pixel_values": torch.randn(batch, frames, 3, size, size), "labels": torch.arange(batch)}

    def step() -> None:
        trainer.training_step(trainer.model, dict(inputs), num_items_in_batch=torch.tensor(batch))
        optimizer.step()
        optimizer.zero_grad()

    return step


def train(rank: int, processes: int, size: int, rounds: int, seconds: torch.Tensor, file: str) -> None:
    """Train in one of several processes with half the threads, and note the CPU time per clip."""
    torch.set_num_threads(max(1, torch.get_num_threads() // processes))
    dist.init_process_group("gloo", f"file://{file}", rank=rank, world_size=processes)
    model = nn.parallel.DistributedDataParallel(C3DForVideoClassification(C3DConfig(num_labels=USUAL["classes"])))
    clips, labels = torch.randn(USUAL["batch"], USUAL["frames"], 3, size, size), torch.arange(USUAL["batch"])
    for round_ in range(rounds + 1):
        if round_ == 1:
            start = time.process_time()
        model(pixel_values=clips, labels=labels).loss.backward()
        model.zero_grad()
    seconds[rank] = (time.process_time() - start) / rounds / USUAL["batch"]
    dist.destroy_process_group()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--series", nargs="+", default=list(SERIES), choices=list(SERIES))
    args = parser.parse_args()
    print_machine()
    for name in args.series:
        first, *_ = values = SERIES[name]
        each = {}
        with tempfile.TemporaryDirectory() as folder:
            if name == "processes":
                for processes in values:
                    seconds = torch.zeros(processes).share_memory_()
                    file = os.path.join(folder, f"group_{processes}")
                    mp.spawn(train, (processes, args.size, args.rounds, seconds, file), processes)
                    each[processes] = 1000 * seconds.mean().item()
            else:
                steps = {str(value): make_step(folder, args.size, **(USUAL | {name: value})) for value in values}
                ms = measure(steps, args.rounds)
                each = {value: ms[str(value)] / (USUAL | {name: value})["batch"] for value in values}
        rows = [(f"{value}", each[value], f"{first}", each[first]) for value in values[1:]]
        print_table(f"{name}, C3D of {args.size}×{args.size}, per clip", rows)


if __name__ == "__main__":
    main()
