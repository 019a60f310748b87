"""Cost of the teacher besides its forward pass: the refresh, and memory.

python benchmarks/teacher.py

Prints the time of one refresh as a share of an epoch of 100 steps, and the peak memory of a training step without and
with the teacher, each in a separate process. The memory to expect is one copy of the encoder's weights and the live
activations of one forward pass.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import torch

from hf_selfdistill import C3DConfig, C3DForVideoClassification, SelfDistillationArguments, SelfDistillationTrainer

MEGABYTE = 2**20


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # MB


def make_trainer(weight: float, folder: str) -> SelfDistillationTrainer:
    torch.manual_seed(0)
    model = C3DForVideoClassification(C3DConfig(num_labels=101)).to(memory_format=torch.channels_last_3d)
    args = SelfDistillationArguments(
        folder, distill_weight=weight, optim="sgd", optim_args="momentum=0.9", use_cpu=True
    )
    trainer = SelfDistillationTrainer(model, args)
    trainer.create_optimizer()
    return trainer


def step(trainer: SelfDistillationTrainer, batch: dict[str, torch.Tensor]) -> float:
    start = time.process_time()
    trainer.training_step(trainer.model, dict(batch), num_items_in_batch=torch.tensor(len(batch["labels"])))
    trainer.optimizer.step()
    trainer.optimizer.zero_grad()
    return time.process_time() - start


def measure(what: str, clips: int, folder: str) -> None:
    batch = {"pixel_values": torch.randn(clips, 16, 3, 112, 112), "labels": torch.arange(clips)}
    trainer = make_trainer(0.0 if what == "plain" else 100.0, folder)
    if what == "forward":
        before = peak()
        with torch.no_grad():
            trainer.model.base_model(batch["pixel_values"])
        print(peak() - before)
        return
    seconds = [step(trainer, batch) for _ in range(3)]
    if what == "plain":
        print(peak())
        return
    refreshes = []
    for _ in range(5):
        start = time.process_time()
        trainer.teacher.copy_from(trainer.model)
        refreshes.append(time.process_time() - start)
    print(peak(), statistics.median(refreshes), statistics.median(seconds))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=2)
    parser.add_argument("--what", choices=["plain", "forward", "teacher"], help=argparse.SUPPRESS)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if args.what:
            measure(args.what, args.clips, folder)
            return
    measured = {}
    for what in ("plain", "forward", "teacher"):
        command = [sys.executable, __file__, "--clips", str(args.clips), "--what", what]
        measured[what] = [float(word) for word in subprocess.check_output(command, text=True).split()]
    weights = sum(p.numel() * 4 for p in C3DForVideoClassification(C3DConfig()).base_model.parameters()) / MEGABYTE
    memory, refresh, seconds = measured["teacher"]
    print(f"C3D, {args.clips} clips of 16×112×112")
    print(
        f"refresh {1000 * refresh:.0f} ms CPU, "
        f"{refresh / (100 * seconds):.4%} of 100 steps of {1000 * seconds:.0f} ms CPU"
    )
    print(
        f"peak of a plain step {measured['plain'][0]:.0f} MB, "
        f"with the teacher {memory:.0f} MB: {memory - measured['plain'][0]:+.0f}"
    )
    print(f"expected: weights {weights:.0f} MB + one forward pass {measured['forward'][0]:.0f} MB")


if __name__ == "__main__":
    main()
