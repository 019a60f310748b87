"""Test accuracy of a narrow C3D trained and tested with antialiased resizing, and without.

python benchmarks/antialiasing.py FOLDER --output_dir OUT

FOLDER has UCF101's layout; split 1 is used. The classifier starts from random weights, the same for both settings of
a seed, and is tested on ten clips per video. kNN classifies its frozen features, of four clips per video, by those of
the training videos.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from transformers import set_seed

from hf_selfdistill import (
    C3DConfig,
    C3DModel,
    C3DVideoProcessor,
    EvaluateConfig,
    FinetuneConfig,
    evaluate,
    finetune,
)

SIDE = 48
NETWORK = C3DConfig(hidden_sizes=[8, 16, 32, 64, 64], num_frames=8, image_size=SIDE)
TRAINING = {
    "distill_weight": 0,
    "per_device_train_batch_size": 16,
    "dataloader_drop_last": True,
    "learning_rate": 1e-3,
    "epoch_lr_schedule": "cosine",
    "min_crop_area": 0.5,
    "target_fps": 4,
    "save_strategy": "no",
    "report_to": "none",
    "disable_tqdm": True,
}


def measure(videos: dict[str, str], folder: Path, epochs: float, seed: int, antialias: bool) -> dict[str, float]:
    """Return the accuracies of one run, fractions of 1."""
    new, trained = str(folder / "new"), str(folder / "trained")
    set_seed(seed)
    C3DModel(NETWORK).save_pretrained(new)
    sizes = {"size": {"shortest_edge": SIDE}, "crop_size": {"height": SIDE, "width": SIDE}, "num_frames": 8}
    C3DVideoProcessor(antialias=antialias, **sizes).save_pretrained(new)
    output = {"output_dir": trained, "num_train_epochs": epochs, "seed": seed}
    finetune(FinetuneConfig(model_name_or_path=new, **output, **videos, **TRAINING))
    scores = {}
    for task, clips, score in (("classification", 10, "video_top1"), ("knn", 4, "knn_top1")):
        config = EvaluateConfig(model_name_or_path=trained, task=task, num_clips=clips, disable_tqdm=True, **videos)
        scores[score] = evaluate(config).values[score]
    return scores


def main() -> None:
    """Train and test with both settings, at each seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset_root")
    parser.add_argument("--output_dir", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=12)
    args = parser.parse_args()
    videos = {"dataset": "ucf101", "dataset_root": args.dataset_root}
    for seed in args.seeds:
        for antialias in (True, False):
            folder = args.output_dir / f"seed {seed}, antialias {antialias}"
            print(folder.name, measure(videos, folder, args.epochs, seed, antialias), flush=True)


if __name__ == "__main__":
    main()
