"""Relearning: the training that an encoder needs to recover what it lost in fine-tuning."""

from __future__ import annotations

from typing import Any

import torch
from transformers import AutoModelForVideoClassification, PreTrainedConfig, PreTrainedModel, set_seed

from hf_selfdistill.evaluation.features import FeatureSet, PooledFeatures, read_features
from hf_selfdistill.evaluation.forgetting import chance
from hf_selfdistill.evaluation.intervals import Estimate, estimated_mean
from hf_selfdistill.evaluation.probe import groups_to_choose_by, linear_probe
from hf_selfdistill.evaluation.relearning import Relearning, relearn
from hf_selfdistill.models.loading import load_classifier, load_for_features
from hf_selfdistill.runs.configs import ForgettingConfig
from hf_selfdistill.runs.distance import distance_between
from hf_selfdistill.runs.gallery import describe_gallery, gallery_and_queries
from hf_selfdistill.training.arguments import ClassificationArguments, device_values
from hf_selfdistill.training.clips import describe_clips, set_sampling, testing_clips, training_clips

__all__ = ["describe_relearning", "relearning"]


ENCODERS = {"after": "the fine-tuned encoder", "before": "the encoder before", "random": "random weights"}


def relearning(config: ForgettingConfig) -> dict[str, Any]:
    """Return the epochs and steps until each encoder reaches the accuracy of a linear probe on the encoder before.

    The target is the lower end of that accuracy's interval. All encoders learn from the same clips, as the encoder
    before fine-tuning takes them.

    Raises:
        ValueError: the data set and the models do not fit, or too many videos can't be read.
        OSError: there is no such model.
    """
    with config.main_process_first(desc="loading the data set"):
        gallery, queries, name = gallery_and_queries(config.load(config.max_unreadable), config.part)
    groups_to_choose_by(gallery["label"][:], gallery["group"][:])  # fail early: the probe needs groups
    old, processor = load_for_features(config.before)
    set_sampling(processor, config)
    labels = gallery.features["label"].names
    fine_tuned, _ = load_classifier(config.model_name_or_path, labels)
    distance_between(config.before, old, config.model_name_or_path, fine_tuned)  # fail early
    clips = [testing_clips(records, old, processor, config.num_clips) for records in (gallery, queries)]
    (known, asked), failed, prober = read_features(PooledFeatures(old), clips, config, config.max_unreadable)
    by_chance = chance(known, asked)
    known_before = _known_before(known, asked, by_chance, config.before)
    recipe = _recipe(config, len(gallery))
    learning = training_clips(gallery, old, processor, recipe)
    before, _ = load_classifier(config.before, labels)
    models = {"after": fine_tuned, "before": before, "random": _random(before.config, config.seed)}
    found = {
        which: _learnt(relearn(model, learning, clips[1], known_before.low, _recipe(config, len(gallery))))
        for which, model in models.items()
    }
    prober.end()
    gallery_text = describe_gallery(queries, config.part, len(known.labels), name)
    return {
        "target": known_before.low,
        "linear_probe_before": known_before.as_dict(),
        "chance": by_chance,
        "relearning": found,
        "most_epochs": int(config.num_train_epochs),
        "num_videos": len(asked.labels),
        "protocol": f"{gallery_text}, {describe_clips(config.num_clips, old, processor)}, centre crop; "
        f"{_describe_recipe(config)}",
        "failed": failed,
    }


def _known_before(known: FeatureSet, asked: FeatureSet, by_chance: float, before: str) -> Estimate:
    """Return the top-1 of a linear probe on the encoder named `before`, which must be better than chance."""
    probe = linear_probe(known, asked)
    found = estimated_mean(probe.correct, asked.groups)
    if not found.low > by_chance:  # also false for a single group, which has no interval
        raise ValueError(
            f"a linear probe on `before` {before} has top-1 {found.value:.4f} ({found.low:.4f} … {found.high:.4f}), "
            f"not better than chance, {by_chance:.4f}, with its interval: there is nothing to relearn; give a data "
            "set that it knows"
        )
    return found


def describe_relearning(results: dict[str, Any]) -> str:
    """Describe the target, and the training that each encoder needed to reach it."""
    reached = "; ".join(
        f"{name} in {found['epochs']} epochs, {found['steps']} steps"
        if (found := results["relearning"][which])["epochs"] is not None
        else f"{name} not within {results['most_epochs']} epochs"
        for which, name in ENCODERS.items()
    )
    probe = results["linear_probe_before"]["value"]
    return (
        f"a linear probe on the encoder before has top-1 {probe:.4f} (chance {results['chance']:.4f}); "
        f"the lower end of its interval, {results['target']:.4f}, is reached by {reached}; {results['protocol']}"
    )


def _learnt(relearning: Relearning) -> dict[str, Any]:
    return {name: vars(relearning)[name] for name in ("epochs", "steps", "video_top1")}


def _random(config: PreTrainedConfig, seed: int) -> PreTrainedModel:
    set_seed(seed)
    return AutoModelForVideoClassification.from_config(config, dtype=torch.float32)


def _recipe(config: ForgettingConfig, videos: int) -> ClassificationArguments:
    return ClassificationArguments(
        config.output_dir,
        num_train_epochs=config.num_train_epochs,
        learning_rate=config.learning_rate,
        lr_scheduler_type="constant",
        optim=config.optim,
        optim_args=config.optim_args,
        per_device_train_batch_size=config.per_device_train_batch_size,
        dataloader_pin_memory=config.dataloader_pin_memory,
        # BatchNorm can't take a last batch of one clip.
        dataloader_drop_last=videos >= config.per_device_train_batch_size * config.world_size,
        flip_probability=0,
        seed=config.seed,
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=config.disable_tqdm,
        **device_values(config),
    )


def _describe_recipe(config: ForgettingConfig) -> str:
    clips = config.per_device_train_batch_size * config.world_size
    return (
        f"all weights and a new head trained by {config.optim.value} at the constant rate {config.learning_rate:g}, "
        f"{clips} clips per step, seed {config.seed}"
    )
