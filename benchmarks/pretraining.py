"""Self-supervised objectives against supervised training of the same encoder.

python benchmarks/pretraining.py

Two times are measured: the work of a data worker for a video (open, decode, augment), and a training step on a batch
(forward, backward, SGD). The peer is the plain Trainer with cross-entropy on one clip per video, read and augmented as
in fine-tuning. The videos are generated, of 128×128 pixels and 64 frames.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from interleaved import measure, print_machine, print_table
from torch.utils.data import default_collate
from transformers import AutoModel, AutoModelForVideoClassification, Trainer, TrainingArguments

from hf_selfdistill.data.clips import RandomClips, TrainingClips
from hf_selfdistill.data.datasets import load_video_dataset
from hf_selfdistill.data.moving_shapes import write_moving_shapes
from hf_selfdistill.data.sampling import ClipSampler
from hf_selfdistill.data.transforms import ClipProcessor, training_augmentation
from hf_selfdistill.data.unlabelled import UnlabelledClips
from hf_selfdistill.models.loading import from_scratch
from hf_selfdistill.pretraining.arguments import PretrainingArguments
from hf_selfdistill.pretraining.objectives import OBJECTIVES
from hf_selfdistill.pretraining.trainer import PretrainingTrainer

SGD = {"optim": "sgd", "optim_args": "momentum=0.9", "learning_rate": 1e-4, "use_cpu": True}
PEER = "cross-entropy"


def build(kind: str, args: argparse.Namespace, folder: Path) -> tuple[RandomClips, Callable[[dict], None]]:
    """Return the samples and the training step of an objective or of the baseline."""
    torch.manual_seed(0)
    config, processor = from_scratch(args.model_type, args.config_overrides, {"num_labels": 14})
    records = load_video_dataset("moving_shapes", folder, validation_fraction=0)["train"]
    if kind == PEER:
        augment = training_augmentation(ClipProcessor.size_of(processor))
        clips = TrainingClips(records, ClipSampler(None, config.num_frames), ClipProcessor(processor, augment))
        model = AutoModelForVideoClassification.from_config(config)
        trainer = Trainer(model, TrainingArguments(str(folder / "run"), **SGD))
    else:
        objective_class = OBJECTIVES[kind]
        encoder = AutoModel.from_config(config)
        model = objective_class(encoder, objective_class.Arguments())
        clips = UnlabelledClips(records, model.views(processor))
        arguments = PretrainingArguments(str(folder / "run"), per_device_train_batch_size=args.batch_size, **SGD)
        trainer = PretrainingTrainer(model, arguments)
    trainer.current_gradient_accumulation_steps = 1  # outside of a run
    optimizer = trainer.create_optimizer()

    def step(batch: dict[str, torch.Tensor]) -> None:
        if kind != PEER:
            model.begin_step()
        trainer.training_step(model, batch)
        optimizer.step()
        optimizer.zero_grad()

    return clips, step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model_type", default="c3d", choices=["c3d", "r2plus1d"])
    parser.add_argument("--config_overrides", help="see scripts/pretrain.py")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--batch_size", type=int, default=2)
    args = parser.parse_args()
    print_machine()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_moving_shapes(folder, videos_per_class=4, num_frames=64, size=128)
        data, steps = {}, {}
        for kind in (PEER, *OBJECTIVES):
            clips, step = build(kind, args, folder)
            indices = itertools.cycle(range(len(clips)))
            data[kind] = partial(lambda clips, indices: clips[next(indices)], clips, indices)
            batch = default_collate([clips[index] for index in range(args.batch_size)])
            steps[kind] = partial(lambda step, batch: step(dict(batch)), step, batch)
        data_ms, step_ms = measure(data, 4 * args.rounds), measure(steps, args.rounds)
    for title, ms in ("data worker, one video", data_ms), (f"step, {args.batch_size} videos", step_ms):
        rows = [(kind, ms[kind], PEER, ms[PEER]) for kind in OBJECTIVES]
        print_table(f"{args.model_type}, {title}, {torch.get_num_threads()} threads", rows)


if __name__ == "__main__":
    main()
