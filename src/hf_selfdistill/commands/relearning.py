"""How soon an encoder learns again what fine-tuning made it forget."""

from __future__ import annotations

from typing import Any

import torch
from transformers import (
    AutoModelForVideoClassification,
    PreTrainedConfig,
    PreTrainedModel,
    TrainingArguments,
    set_seed,
)

from hf_selfdistill.commands.cards import against_in_words, clips_in_words
from hf_selfdistill.commands.datasets import (
    AugmentationArguments,
    sampling_rate,
    testing_clips,
    training_clips,
)
from hf_selfdistill.commands.feature_tasks import gallery_and_queries
from hf_selfdistill.commands.forgetting import distance_between
from hf_selfdistill.commands.testing import Evaluation, flags_of_device
from hf_selfdistill.data.callbacks import UnreadableVideosCallback
from hf_selfdistill.evaluation.bootstrap import Estimate, estimated_mean
from hf_selfdistill.evaluation.features import FeatureSet, PooledFeatures, feature_trainer, video_features
from hf_selfdistill.evaluation.forgetting import chance
from hf_selfdistill.evaluation.probe import groups_to_choose_by, linear_probe
from hf_selfdistill.evaluation.relearning import Relearning, relearn
from hf_selfdistill.models.frames import frames_per_clip
from hf_selfdistill.models.loading import (
    ModelArguments,
    in_its_memory_format,
    load_classifier,
    load_for_features,
)
from hf_selfdistill.training.arguments import VideoTrainingArguments

__all__ = ["evaluate_relearning", "relearning_in_words"]


ENCODERS = {"after": "the fine-tuned encoder", "before": "the encoder before", "random": "random weights"}


def evaluate_relearning(evaluation: Evaluation) -> dict[str, Any]:
    """Epochs and steps until each encoder has the accuracy of a linear probe on the encoder before, or nearly.

    The target is the lower end of that accuracy's interval: what can't be told from it. All learn from the same clips,
    as the encoder before fine-tuning takes them.

    Raises:
        ValueError: the data set and the models do not fit, or too many videos can't be read.
        OSError: there is no such model.
    """
    test, _, forgetting, data, sampling, args = evaluation
    with args.main_process_first(desc="loading the data set"):
        gallery, queries, name = gallery_and_queries(data.load(), test.part, data)
    groups_to_choose_by(gallery["label"][:], gallery["group"][:])  # which the linear probe will need
    old, processor = load_for_features(str(forgetting.before))
    labels = gallery.features["label"].names
    fine_tuned, _ = load_classifier(ModelArguments(test.model_name_or_path), labels)
    distance_between(str(forgetting.before), old, test.model_name_or_path, fine_tuned)  # refuses two architectures
    clips = [testing_clips(records, old, processor, sampling, test.num_clips) for records in (gallery, queries)]
    unreadable = UnreadableVideosCallback(*clips, most=data.max_unreadable)
    prober = feature_trainer(PooledFeatures(old), args)
    known, asked = (video_features(prober, part) for part in clips)
    unreadable.check()
    by_chance = chance(known, asked)
    known_before = _known_before(known, asked, by_chance, str(forgetting.before))
    learning = training_clips(gallery, old, processor, sampling, AugmentationArguments(flip_probability=0), args.seed)
    before, _ = load_classifier(ModelArguments(str(forgetting.before)), labels)
    models = {"after": fine_tuned, "before": before, "random": _random(before.config, args.seed)}
    found = {
        which: _learnt(relearn(model, learning, clips[1], known_before.low, _recipe(args, len(gallery))))
        for which, model in models.items()
    }
    failed = unreadable.failures()  # before the end of the processes' group
    prober.end()
    seen = clips_in_words(test.num_clips, frames_per_clip(old.config), *sampling_rate(processor, sampling))
    return {
        "target": known_before.low,
        "linear_probe_before": known_before.as_dict(),
        "chance": by_chance,
        "relearning": found,
        "most_epochs": int(args.num_train_epochs),
        "num_videos": len(asked.labels),
        "protocol": f"{against_in_words(data, test.part, len(known.labels), name)}, "
        f"{seen}, centre crop; {_recipe_in_words(args)}",
        "failed": failed,
    }


def _known_before(known: FeatureSet, asked: FeatureSet, by_chance: float, before: str) -> Estimate:
    """Top-1 of a linear probe on the encoder named `before`, which must be better than chance."""
    probe = linear_probe(known.features, known.labels, known.groups, asked.features, asked.labels)
    found = estimated_mean(probe.correct, asked.groups)
    if not found.low > by_chance:  # also where one group has no interval
        raise ValueError(
            f"a linear probe on --before {before} has top-1 {found.value:.4f} ({found.low:.4f} … {found.high:.4f}), "
            f"not surely better than chance, {by_chance:.4f}: there is nothing to relearn; give a data set that it "
            "knows"
        )
    return found


def relearning_in_words(results: dict[str, Any]) -> str:
    """The target, and how soon each encoder reached it."""
    reached = "; ".join(
        f"{words} in {found['epochs']} epochs, {found['steps']} steps"
        if (found := results["relearning"][which])["epochs"] is not None
        else f"{words} not within {results['most_epochs']} epochs"
        for which, words in ENCODERS.items()
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
    return in_its_memory_format(AutoModelForVideoClassification.from_config(config, dtype=torch.float32))


def _recipe(args: TrainingArguments, videos: int) -> VideoTrainingArguments:
    return VideoTrainingArguments(
        args.output_dir,
        num_train_epochs=args.num_train_epochs,
        learning_rate=args.learning_rate,
        lr_scheduler_type="constant",
        optim=args.optim,
        optim_args=args.optim_args,
        per_device_train_batch_size=args.per_device_train_batch_size,
        dataloader_pin_memory=args.dataloader_pin_memory,
        dataloader_drop_last=videos >= args.per_device_train_batch_size * args.world_size,  # BatchNorm can't take one
        seed=args.seed,
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=args.disable_tqdm,
        **flags_of_device(args),
    )


def _recipe_in_words(args: TrainingArguments) -> str:
    clips = args.per_device_train_batch_size * args.world_size
    return (
        f"all weights and a new head trained by {args.optim.value} at the constant rate {args.learning_rate:g}, "
        f"{clips} clips per step, seed {args.seed}"
    )
