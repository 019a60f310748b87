"""CPU time per clip of a training step with self-distillation, by batch, frames and classes.

python benchmarks/scaling.py

Each row is compared with the first value of its series.
"""

from __future__ import annotations

import argparse
import tempfile

import torch
from interleaved import measure, print_machine, print_table

from hf_selfdistill import C3DConfig, C3DForVideoClassification, SelfDistillationArguments, SelfDistillationTrainer

SERIES = {"batch": [2, 4, 8], "frames": [8, 16, 32], "classes": [10, 400, 4000]}
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--series", nargs="+", default=list(SERIES), choices=list(SERIES))
    args = parser.parse_args()
    print_machine()
    for name in args.series:
        first, *_ = values = SERIES[name]
        with tempfile.TemporaryDirectory() as folder:
            steps = {str(value): make_step(folder, args.size, **(USUAL | {name: value})) for value in values}
            ms = measure(steps, args.rounds)
        each = {value: ms[str(value)] / (USUAL | {name: value})["batch"] for value in values}
        rows = [(f"{value}", each[value], f"{first}", each[first]) for value in values[1:]]
        print_table(f"{name}, C3D of {args.size}×{args.size}, per clip", rows)


if __name__ == "__main__":
    main()
