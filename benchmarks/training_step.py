"""Cost of self-distillation: CPU time of a training step without it, with λ = 0 and with λ = 100.

python benchmarks/training_step.py --rounds 9

The plain Trainer (cross-entropy), our trainer with λ = 0 and our trainer with the default teacher take turns in one
process: forward, backward and SGD step on the same clips. The ratios are between medians of CPU time. Student and
teacher are channels-last.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable

import torch
from tqdm import tqdm
from transformers import Trainer

from hf_selfdistill import (
    C3DConfig,
    C3DForVideoClassification,
    R2Plus1DConfig,
    R2Plus1DForVideoClassification,
    SelfDistillationArguments,
    SelfDistillationTrainer,
)

ENCODERS = {
    "c3d": (C3DForVideoClassification, C3DConfig),
    "r2plus1d": (R2Plus1DForVideoClassification, R2Plus1DConfig),
}
STEPS = {
    "plain Trainer": (Trainer, 0.0),
    "λ = 0": (SelfDistillationTrainer, 0.0),
    "λ = 100": (SelfDistillationTrainer, 100.0),
}


def make_step(encoder: str, kind: str, folder: str) -> Callable[[dict[str, torch.Tensor]], None]:
    model_class, config_class = ENCODERS[encoder]
    trainer_class, weight = STEPS[kind]
    torch.manual_seed(0)
    model = model_class(config_class(num_labels=101)).to(memory_format=torch.channels_last_3d)
    args = SelfDistillationArguments(
        folder, distill_weight=weight, optim="sgd", optim_args="momentum=0.9", learning_rate=1e-4, use_cpu=True
    )
    trainer = trainer_class(model, args)
    optimizer = trainer.create_optimizer()

    def step(batch: dict[str, torch.Tensor]) -> None:
        trainer.training_step(model, dict(batch), num_items_in_batch=torch.tensor(len(batch["labels"])))
        optimizer.step()
        optimizer.zero_grad()
        if trainer_class is SelfDistillationTrainer:
            trainer.terms.pop(trainer.accelerator)

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoders", nargs="+", default=list(ENCODERS), choices=list(ENCODERS))
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--batch_size", type=int, default=2)
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--size", type=int, default=112)
    args = parser.parse_args()
    generator = torch.Generator().manual_seed(0)
    batch = {
        "pixel_values": torch.randn(args.batch_size, args.frames, 3, args.size, args.size, generator=generator),
        "labels": torch.arange(args.batch_size),
    }
    print(f"{args.batch_size} clips of {args.frames}×{args.size}×{args.size}, {torch.get_num_threads()} threads")
    with tempfile.TemporaryDirectory() as folder:
        for encoder in args.encoders:
            steps = {kind: make_step(encoder, kind, folder) for kind in STEPS}
            seconds: dict[str, list[float]] = {kind: [] for kind in STEPS}
            for round_ in tqdm(range(args.rounds + 1), desc=encoder):
                for kind, step in steps.items():
                    start = time.process_time()
                    step(batch)
                    if round_:  # the first warms up
                        seconds[kind].append(time.process_time() - start)
            medians = {kind: statistics.median(values) for kind, values in seconds.items()}
            for kind, median in medians.items():
                print(f"{encoder:9} {kind:14} {1000 * median:8.0f} ms CPU  × {median / medians['plain Trainer']:.3f}")


if __name__ == "__main__":
    main()
