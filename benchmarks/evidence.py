"""Many small fine-tunings of one grid in one process, with all clips in memory: one row of a CSV file per run.

python benchmarks/evidence.py ROWS.csv --config configs/evidence/selection.yaml --model_name_or_path ENCODER

takes the flags of `hf-selfdistill ablate`, which runs the same grid from files with records, cards and figures. Here a
clip is decoded and augmented once and kept: each training video has `DRAWS` random clips, of which an epoch draws one.
`--and FLAGS` adds a grid that has the flags before the first `--and`, changed by its own; grids
run seed by seed. A second call runs only what the file lacks.
"""

from __future__ import annotations

import csv
import gc
import logging
import math
import sys
import time
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import datasets
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset
from transformers import set_seed

from hf_selfdistill.cli import finetune
from hf_selfdistill.cli.ablate import AblationArguments
from hf_selfdistill.cli.parser import CommandParser
from hf_selfdistill.data.clips import TestingClips, TrainingClips
from hf_selfdistill.evaluation.drift import LinearCKA
from hf_selfdistill.evaluation.features import FeatureSet, PooledFeatures
from hf_selfdistill.evaluation.forgetting import chance
from hf_selfdistill.evaluation.probe import knn, linear_probe
from hf_selfdistill.experiments.experiment import Identities
from hf_selfdistill.experiments.grid import grid, setting_of
from hf_selfdistill.models.loading import load_classifier, load_for_features
from hf_selfdistill.regularizers.wise_ft import WeightAverageCallback
from hf_selfdistill.runs.configs import FinetuneConfig
from hf_selfdistill.runs.probed_head import start_from_probe
from hf_selfdistill.runs.regularize import regularize
from hf_selfdistill.self_distillation.trainer import SelfDistillationTrainer
from hf_selfdistill.training.clips import testing_clips, training_clips
from hf_selfdistill.training.record import software

DRAWS = 8  # random clips per training video
PROBED = 10  # of every hundred seeds the first ten have retention measured: a probe takes as long as 40 steps
AXES = ("learning_rate", "regularizer", "head_init", "distill_weight", "label_fraction", "num_train_epochs", "seed")


class KeptClips(Dataset[dict[str, Any]]):
    """Random clips of some videos, each read once and kept for later runs."""

    def __init__(self, clips: TrainingClips, places: list[int], kept: dict[tuple[int, int], dict[str, Any]]) -> None:
        self.clips, self.places, self.kept = clips, places, kept

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> dict[str, Any]:
        key = self.places[index], int(torch.randint(DRAWS, ()))
        if key not in self.kept:
            self.clips.set_epoch(key[1])
            self.kept[key] = self.clips[key[0]]
        return self.kept[key]


class Bench:
    """Videos, clips and the encoder before fine-tuning, shared by all runs."""

    def __init__(self, base: FinetuneConfig, num_clips: int) -> None:
        self.name, self.videos = base.model_name_or_path, base.load()
        self.labels = self.videos["train"].features["label"].names
        model, processor = load_classifier(self.name, self.labels, base.config_overrides)
        self.clips = training_clips(self.videos["train"], model, processor, base)
        self.place = {video["path"]: index for index, video in enumerate(self.videos["train"]["video"])}
        self.kept: dict[tuple[int, int], dict[str, Any]] = {}
        parts = {part: self.videos[part] for part in ("validation", "test")}
        self.tests = {part: _stacked(testing_clips(own, model, processor, num_clips)) for part, own in parts.items()}
        reference = base.reference()
        assert reference is not None
        known = reference.load()
        gallery = datasets.concatenate_datasets([known["train"], known["validation"]])
        self.reference = [testing_clips(own, model, processor, num_clips) for own in (gallery, known["test"])]
        self.reference_clips = [_stacked(own) for own in self.reference]
        self.before = self.features(load_for_features(self.name, base.config_overrides)[0])
        self.accuracy_before, self.chance = linear_probe(*self.before).accuracy, chance(*self.before)
        print(f"{self.name}: linear probe {self.accuracy_before:.3f}, kNN {knn(*self.before).accuracy:.3f}")
        gc.freeze()  # each trainer ends with a collection

    @torch.no_grad()
    def features(self, model: nn.Module) -> tuple[FeatureSet, FeatureSet]:
        """Return the features of gallery and queries of the reference set."""
        encoder, sets = PooledFeatures(model), []
        for clips, (frames, labels) in zip(self.reference, self.reference_clips, strict=True):
            groups = clips.records["group"][:]
            sets.append(FeatureSet(encoder(labels, pixel_values=frames)["features"], labels[:, 0], groups, []))
        return sets[0], sets[1]

    @torch.no_grad()
    def measure(self, model: nn.Module, probed: bool) -> dict[str, float]:
        """Return accuracies and what the encoder kept."""
        model.eval()
        found = {}
        for part, (frames, labels) in self.tests.items():
            logits = model(pixel_values=frames).logits.view(*labels.shape, -1).mean(1)
            found["top1" if part == "test" else f"{part}_top1"] = (
                (logits.argmax(1) == labels[:, 0]).double().mean().item()
            )
        after = self.features(model)
        before, now = self.before[1].features.double(), after[1].features.double()
        found["knn"] = knn(*after).accuracy
        if probed:
            found["linear_probe_before"] = self.accuracy_before
            found["linear_probe"] = linear_probe(*after).accuracy
            found["retention"] = (found["linear_probe"] - self.chance) / (self.accuracy_before - self.chance)
        found["cka"] = LinearCKA(before, now)()
        found["relative_l2"] = ((now - before).norm(dim=1) / before.norm(dim=1)).mean().item()
        return found

    def run(self, config: FinetuneConfig) -> list[dict[str, Any]]:
        """Fine-tune once; return one row, or one per average of WiSE-FT."""
        started, cpu = time.monotonic(), time.process_time()
        set_seed(config.seed)
        model, processor = load_classifier(self.name, self.labels, config.config_overrides)
        videos = config.select(self.videos["train"], config.seed)
        places = [self.place[video["path"]] for video in videos["video"]]
        trainer = SelfDistillationTrainer(
            model, config, KeptClips(self.clips, places, self.kept), processing_class=processor
        )
        if config.starts_from_probe:
            start_from_probe(trainer, videos)
        averages = WeightAverageCallback(trainer, config.wise_ft_weights, config.starts_from_probe)
        if config.regularizer != "wise_ft":
            regularize(trainer, config)
        trainer.train()
        last = next(log for log in reversed(trainer.state.log_history) if "ce_loss" in log)
        trained = {name: last.get(name) for name in ("ce_loss", "distill_loss", "feature_std")}
        trained["steps"] = trainer.state.global_step
        trainer.end()
        rows = []
        fine_tuned = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        for share in config.wise_ft_weights if config.regularizer == "wise_ft" else [1.0]:
            if share != 1:
                averages.average(fine_tuned, model, share)
            rows.append({"share": share, **self.measure(model, config.seed % 100 < PROBED), **trained})
        spent = {"wall_seconds": time.monotonic() - started, "cpu_seconds": time.process_time() - cpu}
        return [{**row, **{name: round(value, 2) for name, value in spent.items()}} for row in rows]


def main(argv: list[str]) -> None:
    """Run what the file lacks."""
    file, words = Path(argv[0]), argv[1:]
    ends = [place for place, word in enumerate(words) if word == "--and"] + [len(words)]
    common = words[: ends[0]]
    grids = [common] + [[*common, *words[start + 1 : end]] for start, end in pairwise(ends)]
    logging.getLogger("hf_selfdistill").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    done = set()
    if file.is_file():
        with file.open(encoding="utf-8", newline="") as stream:
            done = {row["identity"] for row in csv.DictReader(stream)}
    configs = sorted((config for flags in grids for config in configs_of(flags)), key=lambda config: config.seed)
    num_clips = CommandParser(AblationArguments, description="").parse_known(common)[0].num_clips
    bench, identities, commit = cache(lambda: Bench(configs[0], num_clips)), Identities(), software().get("commit", "")
    for config in configs:
        if (identity := identities(config)[:16]) in done:
            continue
        own = {name: getattr(config, name) for name in AXES} | {"strength": setting_of(config).strength}
        if config.teacher_update == "frozen":  # Learning without Forgetting on features
            own |= {"regularizer": "frozen_teacher", "strength": config.distill_weight}
        if config.distill_weight and config.head_init == "linear_probe":
            own |= {"regularizer": "lp_ft_and_self_distillation", "strength": config.distill_weight}
        try:
            rows = bench().run(config)
        except ValueError as error:  # the run has diverged
            print(error)
            rows = [{"ce_loss": math.nan}]
        encoder = Path(config.model_name_or_path).name
        for row in rows:
            _append(file, {"encoder": encoder, **own, **row, "identity": identity, "commit": commit})
        done.add(identity)


def configs_of(flags: list[str]) -> list[FinetuneConfig]:
    """Return the configs of one grid."""
    args, recipe = CommandParser(AblationArguments, description="").parse_known(flags)
    (base,) = finetune.parser().parse([*recipe, "--output_dir", args.output_dir, "--disable_tqdm", "true"])
    return grid(base, Path(args.output_dir), args.swept(), **args.axes())


FIELDS = """
    encoder learning_rate regularizer head_init strength distill_weight label_fraction num_train_epochs seed share
    top1 validation_top1 retention linear_probe_before linear_probe knn cka relative_l2
    ce_loss distill_loss feature_std steps wall_seconds cpu_seconds identity commit
""".split()


def _append(file: Path, row: dict[str, Any]) -> None:
    new = not file.is_file()
    with file.open("a", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, FIELDS)
        if new:
            writer.writeheader()
        writer.writerow({name: f"{v:.6g}" if isinstance(v, float) else v for name, v in row.items()})


def _stacked(clips: TestingClips) -> tuple[Tensor, Tensor]:
    read = [clips[index] for index in range(len(clips))]
    return torch.cat([own["pixel_values"] for own in read]), torch.stack([own["labels"] for own in read])


if __name__ == "__main__":
    main(sys.argv[1:])
