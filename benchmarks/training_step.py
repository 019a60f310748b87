"""Training steps: self-distillation against cross-entropy, and our encoders against the same nets in plain PyTorch.

python benchmarks/training_step.py --threads 1

A step is forward pass, backward pass and SGD, on the same clips of noise.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from typing import Any

import torch
from interleaved import measure, peer, print_machine, print_table
from torch import nn
from transformers import PreTrainedModel, Trainer

from hf_selfdistill import (
    C3DConfig,
    C3DForVideoClassification,
    R2Plus1DConfig,
    R2Plus1DForVideoClassification,
    SelfDistillationArguments,
    SelfDistillationTrainer,
)
from hf_selfdistill.models.loading import load_classifier

CLASSES = 101
ENCODERS: dict[str, Any] = {
    "c3d": (C3DForVideoClassification, C3DConfig, {}),
    "r2plus1d": (R2Plus1DForVideoClassification, R2Plus1DConfig, {}),
    "r2plus1d_18": (
        R2Plus1DForVideoClassification,
        R2Plus1DConfig,
        {"depths": [2, 2, 2, 2], "mid_sizes": "per_block", "stem_mid_size": 45, "shortcut": "plain"},
    ),
}
SUBJECTS = {
    "SD, norm batch": {"distill_weight": 100.0},
    "SD, norm running": {"distill_weight": 100.0, "teacher_norm": "running"},
    "λ = 0": {"distill_weight": 0.0},
    "cross-entropy": None,
    "plain PyTorch": None,
    "SD of the command": {"distill_weight": 100.0},
}


def make_plain(model: PreTrainedModel) -> None:
    """Compute with PyTorch's own convolutions, on planar clips."""
    for module in model.modules():
        if isinstance(module, nn.Conv3d):
            module.__class__ = nn.Conv3d
    first = next(module for module in model.modules() if isinstance(module, nn.Conv3d))
    first.register_forward_pre_hook(lambda _, inputs: (inputs[0].contiguous(),))


def make_step(encoder: str, subject: str, folder: str, batch: dict[str, torch.Tensor]) -> Callable[[], None]:
    torch.manual_seed(0)
    model_class, config_class, settings = ENCODERS[encoder]
    if subject == "SD of the command":
        model = load_classifier(encoder, [str(label) for label in range(CLASSES)])[0]
    else:
        model = model_class(config_class(num_labels=CLASSES, **settings))
    if subject == "plain PyTorch":
        make_plain(model)
    trainer_class = Trainer if SUBJECTS[subject] is None else SelfDistillationTrainer
    sgd = {"optim": "sgd", "optim_args": "momentum=0.9", "learning_rate": 1e-4, "use_cpu": True}
    trainer = trainer_class(model, SelfDistillationArguments(folder, **sgd, **(SUBJECTS[subject] or {})))
    trainer.current_gradient_accumulation_steps = 1  # outside of a run
    optimizer = trainer.create_optimizer()

    def step() -> None:
        trainer.training_step(model, dict(batch), num_items_in_batch=torch.tensor(len(batch["labels"])))
        optimizer.step()
        optimizer.zero_grad()

    return step


def torchvision_step(batch: dict[str, torch.Tensor]) -> Callable[[], None] | None:
    video = peer("torchvision.models.video")
    if video is None:
        return None
    model = video.r2plus1d_18(num_classes=CLASSES).train()
    optimizer = torch.optim.SGD(model.parameters(), 1e-4, momentum=0.9)
    clips = batch["pixel_values"].transpose(1, 2)

    def step() -> None:
        nn.functional.cross_entropy(model(clips), batch["labels"]).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoders", nargs="+", default=list(ENCODERS), choices=list(ENCODERS))
    parser.add_argument("--subjects", nargs="+", default=list(SUBJECTS), choices=list(SUBJECTS))
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--batch_size", type=int, default=2)
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--size", type=int, default=112)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    batch = {
        "pixel_values": torch.randn(args.batch_size, args.frames, 3, args.size, args.size),
        "labels": torch.arange(args.batch_size),
    }
    print_machine("torchvision")
    for encoder in args.encoders:
        wanted = args.subjects if encoder != "r2plus1d_18" else ["cross-entropy"]
        with tempfile.TemporaryDirectory() as folder:
            steps = {subject: make_step(encoder, subject, folder, batch) for subject in wanted}
            peers = {"plain PyTorch": ["cross-entropy"], "SD of the command": ["SD, norm batch"]}
            other = torchvision_step(batch) if encoder == "r2plus1d_18" else None
            if other is not None:
                steps["torchvision"], peers["torchvision"] = other, ["cross-entropy"]
            ms = measure(steps, args.rounds)
        peers["cross-entropy"] = ["SD, norm batch", "SD, norm running", "λ = 0"]
        rows = [
            (ours, ms[ours], theirs, ms[theirs])
            for theirs, mine in peers.items()
            for ours in mine
            if {ours, theirs} <= ms.keys()
        ]
        clips = f"{args.batch_size} clips of {args.frames}×{args.size}×{args.size}"
        print_table(f"{encoder}, {clips}, {args.threads} threads", rows)


if __name__ == "__main__":
    main()
