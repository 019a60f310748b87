from __future__ import annotations

import torch
from torch.nn import functional as F

from hf_selfdistill.data.datasets import load_video_dataset
from hf_selfdistill.evaluation.features import PooledFeatures
from hf_selfdistill.evaluation.training_features import features_in_training
from hf_selfdistill.runs.configs import FinetuneConfig
from hf_selfdistill.runs.finetune import build_trainer
from hf_selfdistill.training import clips as video_clips


def config_of(shapes, folder, **settings):
    given = {
        "model_name_or_path": "c3d",
        "config_overrides": "hidden_sizes=4,8,8,8,8,num_frames=8,image_size=16",
        "dataset": "moving_shapes",
        "dataset_root": str(shapes),
        "output_dir": str(folder),
        "use_cpu": True,
        "distill_weight": 0.0,
        **settings,
    }
    return FinetuneConfig(**given)


def test_the_head_of_lp_ft_classifies_the_training_videos_better_than_a_random_one(shapes, tmp_path):
    videos = load_video_dataset("moving_shapes", str(shapes))["train"]
    losses = {}
    for name in ("self_distillation", "lp_ft"):
        trainer = build_trainer(config_of(shapes, tmp_path / name, regularizer=name))
        clips = video_clips.testing_clips(videos, trainer.model, trainer.processing_class, 1)
        (features,) = features_in_training(trainer, clips, PooledFeatures(trainer.model))
        with torch.no_grad():
            losses[name] = F.cross_entropy(trainer.model.classifier(features.features), features.labels).item()
    assert losses["lp_ft"] < losses["self_distillation"]
    assert trainer.describe()["method"]["head before fine-tuning"] == "linear probe"
