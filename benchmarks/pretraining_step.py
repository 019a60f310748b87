"""Cost of each self-supervised objective, against a supervised training step of the same encoder.

python benchmarks/pretraining_step.py --rounds 5

The objectives take turns in one process. Two times are measured: the work of a data worker for a video (open, decode,
augment) and a training step on a batch (forward, backward, SGD). The baseline is the plain Trainer's step with
cross-entropy on one clip per video, read and augmented as in fine-tuning. Medians of CPU time, on generated videos of
128×128 pixels and 64 frames.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch.utils.data import default_collate
from tqdm import tqdm
from transformers import AutoModel, AutoModelForVideoClassification, Trainer, TrainingArguments

from hf_selfdistill.data.clips import RandomClips, TrainingClips
from hf_selfdistill.data.datasets import load_video_dataset
from hf_selfdistill.data.moving_shapes import write_moving_shapes
from hf_selfdistill.data.sampling import ClipSampler
from hf_selfdistill.data.transforms import ClipProcessor, training_augmentation
from hf_selfdistill.data.unlabelled import UnlabelledClips
from hf_selfdistill.models.loading import from_scratch, in_its_memory_format
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
        model = in_its_memory_format(AutoModelForVideoClassification.from_config(config))
        trainer = Trainer(model, TrainingArguments(str(folder / "run"), **SGD))
    else:
        objective_class = OBJECTIVES[kind]
        encoder = in_its_memory_format(AutoModel.from_config(config))
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
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch_size", type=int, default=4)
    args = parser.parse_args()
    kinds = [PEER, *OBJECTIVES]
    seconds: dict[str, dict[str, list[float]]] = {kind: {"data": [], "step": []} for kind in kinds}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_moving_shapes(folder, videos_per_class=4, num_frames=64, size=128)
        built = {kind: build(kind, args, folder) for kind in kinds}
        for round_ in tqdm(range(args.rounds + 1)):
            for kind, (clips, step) in built.items():
                start = time.process_time()
                samples = [clips[round_ * args.batch_size + i] for i in range(args.batch_size)]
                middle = time.process_time()
                step(default_collate(samples))
                if round_:  # the first warms up
                    seconds[kind]["data"].append(middle - start)
                    seconds[kind]["step"].append(time.process_time() - middle)
    print(f"{args.model_type}, {args.batch_size} videos a step, {torch.get_num_threads()} threads; CPU time per video")
    peer = {part: statistics.median(values) for part, values in seconds[PEER].items()}
    for kind, parts in seconds.items():
        data, step = (statistics.median(parts[part]) / args.batch_size for part in ("data", "step"))
        ratios = f"× {data * args.batch_size / peer['data']:5.2f}, × {step * args.batch_size / peer['step']:5.2f}"
        rate = 1 / (data + step)
        print(f"{kind:18} data {1000 * data:6.1f} ms, step {1000 * step:7.1f} ms, {rate:6.2f} videos/s  {ratios}")


if __name__ == "__main__":
    main()
