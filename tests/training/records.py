"""Records of runs with tiny values, for tests of the record, the card and the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hf_selfdistill import C3DConfig, C3DForVideoClassification, C3DVideoProcessor
from hf_selfdistill.training.record import Input, Result, RunRecord, hash_of_model

CLASSES = ["run", "walk"]
FINE_TUNED: dict[str, Any] = {
    "architecture": "C3DForVideoClassification",
    "model_type": "c3d",
    "base": "encoder",
    "num_frames": 8,
    "frame_stride": 2,
    "target_fps": None,
    "pretrained_by": "rspnet",
    "classes": CLASSES,
    "dataset": "ucf101",
    "split": 2,
    "validation_protocol": "ucf101 split 2 validation, 1 clip",
}
VALIDATION = {
    "eval_video_top1": 0.625,
    "eval_video_top5": 1.0,
    "eval_clip_top1": 0.5,
    "eval_clip_top5": 1.0,
    "eval_num_videos": 8,
}
SETTINGS = {"method": {"λ": "10"}, "hyper-parameter": {"learning rate": "0.05"}}


def fine_tuning(weights: str | None = "saved", **fields: Any) -> RunRecord:
    """A finished fine-tuning; `model` adds to the facts about the model."""
    known: dict[str, Any] = {
        "config": {"model_name_or_path": "encoder", "dataset": "ucf101", "dataset_root": "UCF-101", "split": 2},
        "inputs": {"encoder": Input("e" * 64), "train": Input("a" * 64, 12), "validation": Input("b" * 64, 8)},
        "software": {"torch": "2.14.1"},
        "status": "finished",
        "description": SETTINGS,
        "wall_seconds": 65.4,
        "metrics": VALIDATION,
        **fields,
        "model": FINE_TUNED | fields.get("model", {}),
    }
    return RunRecord("finetune", weights=weights, **known)


def classified(
    weights: str | None = "saved", protocol: str = "ucf101 split 2 test, 10 clips", **fields: Any
) -> Result:
    """A test of a classifier on four videos, three of them right."""
    labels, predicted = ["run", "run", "walk", "walk"], ["run", "walk", "walk", "walk"]
    values = {
        "video_top1": 0.75,
        "video_top5": 1.0,
        "clip_top1": 0.7,
        "clip_top5": 1.0,
        "num_videos": 4,
        "num_classes": 2,
        "protocol": protocol,
        "per_class": {"run": 0.5, "walk": 1.0},
        "predictions": [
            {"video": f"/videos/{place}.mp4", "label": label, "predicted": other, "score": 0.9}
            for place, (label, other) in enumerate(zip(labels, predicted, strict=True))
        ],
        "failed": [{"video": "bad.mp4", "reason": "empty file"}],
        **fields,
    }
    config = {"dataset": "ucf101", "dataset_root": "my videos", "split": 2}
    return Result("classification", str(weights), values, config)


def knn(weights: str | None = "saved", protocol: str = "ucf101 test against 12 videos", top1: float = 0.5) -> Result:
    """A test of frozen features."""
    return Result("knn", str(weights), {"knn_top1": top1, "num_videos": 4, "protocol": protocol, "failed": []})


def save_model(folder: Path, classes: list[str] = CLASSES) -> str:
    """Save a tiny model with its processor, and return its hash."""
    labels = {"id2label": dict(enumerate(classes)), "label2id": {name: i for i, name in enumerate(classes)}}
    config = C3DConfig(hidden_sizes=[4, 8, 8, 8, 8], num_frames=8, image_size=16, **labels)
    C3DForVideoClassification(config).save_pretrained(folder)
    C3DVideoProcessor(num_frames=8, size={"shortest_edge": 16}).save_pretrained(folder)
    return str(hash_of_model(folder))
