"""The runs of an ablation: which there are, their commands, what they are made from."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any, Optional

from datasets import DatasetDict

from hf_selfdistill.cli.parser import as_flags, exactly
from hf_selfdistill.commands.comparison import Place
from hf_selfdistill.commands.datasets import videos_to_learn
from hf_selfdistill.commands.finetune import FineTuning
from hf_selfdistill.commands.job import Job
from hf_selfdistill.commands.provenance import hash_of_data, hash_of_model, hashes_of_parts
from hf_selfdistill.commands.retention import ReferenceArguments
from hf_selfdistill.commands.run_files import FORGETTING, RESULTS
from hf_selfdistill.commands.testing import flags_of_data, flags_of_device
from hf_selfdistill.experiments.comparison import Setting
from hf_selfdistill.models.loading import FROM_SCRATCH
from hf_selfdistill.regularizers.arguments import REGULARIZERS
from hf_selfdistill.regularizers.wise_ft import AVERAGES
from hf_selfdistill.training.arguments import check_choice
from hf_selfdistill.training.best_epochs import best_folder, check_keep_best

__all__ = ["GRID", "Ablation", "AblationArguments"]

REFERENCE_CLIPS = 4  # per video of the reference set

GRID = {
    "distill_weight": "distill_weights",
    "regularizer": "regularizers",
    "label_fraction": "label_fractions",
    "split": "splits",
    "seed": "seeds",
}
"""Flags that are set for each run → those that they come from."""


@dataclass
class AblationArguments:
    """Ablation; every other flag is finetune.py's, the same for all runs."""

    output_dir: str = field(metadata={"help": "A folder per run, the table, the figures, results.csv."})
    distill_weights: list[float] = field(
        default_factory=lambda: [0.0, 0.1, 1.0, 10.0, 100.0, 1000.0],
        metadata={"help": "λ of self-distillation; 0 is plain fine-tuning."},
    )
    regularizers: list[str] = field(
        default_factory=lambda: ["self_distillation"],
        metadata={"help": f"Which to compare, of {', '.join(REGULARIZERS)}; only the first has several λ."},
    )
    learning_rates: Optional[list[float]] = field(  # noqa: UP045 - HfArgumentParser's form
        default=None, metadata={"help": "By default the recipe's."}
    )
    label_fractions: list[float] = field(
        default_factory=lambda: [1.0], metadata={"help": "Shares of each class's training videos."}
    )
    splits: list[int] = field(default_factory=lambda: [1], metadata={"help": "Official splits of the data set."})
    seeds: list[int] = field(default_factory=lambda: [0], metadata={"help": "Seeds of the runs."})
    num_clips: int = field(default=10, metadata={"help": "Test clips per video."})
    devices: list[str] = field(
        default_factory=lambda: ["0"],
        metadata={"help": "GPUs, for CUDA_VISIBLE_DEVICES: one run at a time on each. Without GPUs, as many names."},
    )

    def __post_init__(self) -> None:
        """Check names, that nothing is empty, and what the tests would refuse after training."""
        for name in self.regularizers:
            check_choice("regularizers", name, REGULARIZERS)
        for name, values in vars(self).items():
            if isinstance(values, list) and not values:
                raise ValueError(f"--{name} has no value")
        if self.num_clips < 1:
            raise ValueError(f"num_clips is {self.num_clips}; it must be at least 1")


@dataclass(frozen=True)
class Ablation:
    """What is to be run.

    Args:
        args: the grid.
        reference: a reference set, to measure retention on.
        recipe: the words of `finetune` that all runs share.
        asked: what they ask for.
    """

    args: AblationArguments
    reference: ReferenceArguments
    recipe: list[str]
    asked: FineTuning
    hashes: dict[tuple[int, float, int], dict[str, str]] = field(default_factory=dict, init=False)

    @cached_property
    def parts(self) -> dict[int, DatasetDict]:
        """The videos of each split."""
        return {split: replace(self.asked.data, split=split).load() for split in self.args.splits}

    @cached_property
    def reference_hash(self) -> dict[str, str]:
        """Hash of the reference set, if there is one."""
        known = self.reference.reference_dataset is not None
        return {"reference_hash": hash_of_data(self.reference.data())} if known else {}

    @cached_property
    def encoder_hash(self) -> dict[str, str]:
        """Hash of the encoder that fine-tuning begins from, if it is a folder."""
        return hash_of_model(self.asked.model.model_name_or_path)

    def check(self) -> None:
        """See that no run would be refused, before the first one begins.

        Raises:
            ValueError: one would.
            OSError: there is no such data set.
        """
        base, retention = self.asked.model.model_name_or_path, self.asked.retention
        if self.reference.reference_dataset is not None and base in FROM_SCRATCH:
            raise ValueError(f"--reference_dataset: {base} has random weights, with nothing to retain")
        if self.reference.reference_dataset is None and retention.retention_epochs is not None:
            raise ValueError("--retention_epochs needs --reference_dataset, a data set that the encoder knows")
        for videos in self.parts.values():
            check_keep_best(
                self.asked.augmentation.keep_best,
                self.asked.training.eval_strategy,
                len(videos["validation"]),
                adapters=self.asked.model.lora_rank is not None,
                averaged="wise_ft" in self.args.regularizers,
            )

    def places(self) -> list[Place]:
        """Setting, split and seed of every run; seeds outermost, so that early results compare all settings."""
        args, rate = self.args, self.asked.training.learning_rate
        methods = [
            (name, weight)
            for name in args.regularizers
            for weight in (args.distill_weights if name == "self_distillation" else [0.0])
        ]
        settings = [
            Setting(fraction, rate, name, weight)
            for fraction, rate, (name, weight) in product(args.label_fractions, args.learning_rates or [rate], methods)
        ]
        return [Place(setting, split, seed) for seed, split, setting in product(args.seeds, args.splits, settings)]

    def job(self, place: Place) -> Job:
        """The training of a run and its tests."""
        parts = self._hashes(place)
        training = self.encoder_hash | parts | (self.reference_hash if self._measures_while_training else {})
        accuracy, kept = self._accuracy(place), self._kept(place)
        made_from = [training, *[{"test_hash": parts["test_hash"]} for _ in accuracy]]
        made_from += [self.encoder_hash | self.reference_hash for _ in kept]
        return Job(self.folder(place), (self._finetuning(place), *accuracy, *kept), tuple(made_from))

    def folder(self, place: Place) -> Path:
        """Where a run goes."""
        setting = place.setting
        numbers = (setting.distill_weight, setting.learning_rate, setting.label_fraction)
        weight, rate, fraction = map(exactly, numbers)
        name = f"{setting.regularizer}-w{weight}-lr{rate}-l{fraction}"
        return Path(self.args.output_dir) / "runs" / f"{name}-s{place.split}-r{place.seed}"

    def models(self, place: Place) -> dict[Place, Path]:
        """The models that a run leaves behind: of its last and its best epochs, or WiSE-FT's averages."""
        folder, setting = self.folder(place), place.setting
        if setting.regularizer == "wise_ft":
            averages = self.asked.regularizer.wise_ft_weights
            found = {replace(setting, share=share): folder / AVERAGES / f"{share:g}" for share in averages}
        else:
            best = {part: best_folder(folder, part) for part in self.asked.augmentation.keep_best}
            found = {setting: folder, **{replace(setting, epoch=part): where for part, where in best.items()}}
        return {place._replace(setting=own): where for own, where in found.items()}

    @property
    def _measures_while_training(self) -> bool:
        return self.asked.retention.retention_epochs is not None

    def _hashes(self, place: Place) -> dict[str, str]:
        """Of the videos that a run draws to learn from, and of those that it is tested on."""
        key = place.split, place.setting.label_fraction, place.seed
        if key not in self.hashes:
            augmentation = replace(self.asked.augmentation, label_fraction=place.setting.label_fraction)
            parts = self.parts[place.split]
            drawn = {**parts, "train": videos_to_learn(parts["train"], augmentation, place.seed)}
            self.hashes[key] = hashes_of_parts(drawn, self.asked.data)
        return self.hashes[key]

    def _finetuning(self, place: Place) -> tuple[str, ...]:
        flags = {name: value for name, value in vars(place.setting).items() if name not in ("share", "epoch")}
        flags |= {"split": place.split, "seed": place.seed, "output_dir": self.folder(place), "disable_tqdm": True}
        while_training = vars(self.reference) if self._measures_while_training else {}
        return ("finetune", *self.recipe, *as_flags({**while_training, **flags}))

    def _accuracy(self, place: Place) -> list[tuple[str, ...]]:
        """A test of each model."""
        return self._tests(place, RESULTS, {"num_clips": self.args.num_clips, "split": place.split})

    def _kept(self, place: Place) -> list[tuple[str, ...]]:
        """What each model forgot, where there is a reference set."""
        if self.reference.reference_dataset is None:
            return []
        known = vars(self.reference.data())
        own = {name: known[name] for name in ("dataset", "dataset_root", "annotations", "split")}
        own |= {"task": "forgetting", "before": self.asked.model.model_name_or_path, "num_clips": REFERENCE_CLIPS}
        return self._tests(place, FORGETTING, own)

    def _tests(self, place: Place, file: str, own: dict[str, Any]) -> list[tuple[str, ...]]:
        shared = flags_of_data(self.asked.data) | flags_of_device(self.asked.training) | {"disable_tqdm": True} | own
        return [
            ("evaluate", *as_flags({**shared, "model_name_or_path": folder, "output_file": folder / file}))
            for folder in self.models(place).values()
        ]
