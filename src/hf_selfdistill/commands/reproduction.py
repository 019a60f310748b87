"""The jobs behind the paper's tables, from `configs/`: which there are, their command lines, what they need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import torch
from datasets import DatasetDict
from transformers import AutoModel

from hf_selfdistill.cli.parser import as_flags, config_flags, exactly
from hf_selfdistill.commands import finetune, pretrain
from hf_selfdistill.commands.datasets import DatasetArguments, videos_to_learn
from hf_selfdistill.commands.job import Job
from hf_selfdistill.commands.provenance import hashes_of_parts
from hf_selfdistill.commands.reproduction_costs import Step, finetuning_hours, pretraining_hours, stored_gigabytes
from hf_selfdistill.commands.run_files import RESULTS
from hf_selfdistill.commands.testing import flags_of_data, flags_of_device
from hf_selfdistill.experiments.paper_results import BEST_WEIGHT, CLASSES
from hf_selfdistill.models.loading import from_scratch, load_encoder
from hf_selfdistill.training.arguments import VideoTrainingArguments
from hf_selfdistill.training.best_epochs import PARTS, best_folder

__all__ = [
    "RECIPES",
    "Row",
    "Sources",
    "check_encoder",
    "finetuning_step",
    "from_its_encoder",
    "pretraining_step",
    "rows_of",
    "tested_models",
]

RECIPES = Path("configs")
TEST_CLIPS = 10
SMOKE = {"dataloader_num_workers": 0, "dataloader_persistent_workers": False, "use_cpu": True}
SMOKE_SIZES = {
    "c3d": "hidden_sizes=8,16,16,16,16,num_frames=8,image_size=32",
    "r2plus1d": "hidden_sizes=8,8,16,16,16,num_frames=8,image_size=32",
}
SMOKE_PRETRAINING = {**SMOKE, "num_train_epochs": 1, "per_device_train_batch_size": 8, "queue_size": 16}
SMOKE_FINETUNING = {**SMOKE, "num_train_epochs": 4, "per_device_train_batch_size": 8, "flip_probability": 0}


class Row(NamedTuple):
    """A fine-tuning."""

    model_type: str
    dataset: str
    weight: float
    split: int
    seed: int

    @property
    def name(self) -> str:
        """Name of the run's folder."""
        return f"{self.model_type}-{self.dataset}-w{exactly(self.weight)}-s{self.split}-r{self.seed}"


@dataclass(frozen=True)
class Sources:
    """Where everything comes from and goes to.

    Args:
        output_dir: of the whole.
        kinetics: folder of the videos of stage one.
        datasets: name → folder of the videos, folder of the official lists.
        encoders: architecture → an encoder that is there already.
        extra: flags for every training, besides the recipes'.
        smoke: small networks, a few steps.
    """

    output_dir: Path
    kinetics: str | None
    datasets: Mapping[str, tuple[str, str | None]]
    encoders: Mapping[str, str]
    extra: list[str] = field(default_factory=list)
    smoke: bool = False

    def encoder(self, model_type: str) -> str:
        """The one given, or the folder of the one pre-trained here."""
        return self.encoders.get(model_type) or str(self.pretraining_folder(model_type))

    def pretraining_folder(self, model_type: str) -> Path:
        """Folder of stage one's encoder."""
        return self.output_dir / "encoders" / model_type

    def folder(self, row: Row) -> Path:
        """Folder of a fine-tuning."""
        return self.output_dir / "runs" / row.name


def rows_of(
    model_types: list[str],
    datasets: Mapping[str, Any],
    weights: list[float] | None,
    splits: list[int],
    seeds: list[int],
) -> list[Row]:
    """Every fine-tuning, seeds outermost; by default with λ = 0 and the paper's λ of each encoder and data set."""
    return [
        Row(model_type, dataset, weight, split, seed)
        for seed, split, model_type, dataset in product(seeds, splits, model_types, datasets)
        for weight in (weights or [0.0, float(BEST_WEIGHT[model_type, dataset])])
    ]


def tested_models(folder: Path) -> dict[str, Path]:
    """Choice of the epoch → folder of its model."""
    return {"last": folder, **{part: best_folder(folder, part) for part in PARTS}}


def pretraining_step(sources: Sources, model_type: str) -> Step:
    """Stage one of an encoder, on the flags of its recipe.

    Raises:
        ValueError: a flag is wrong, or there are no videos.
    """
    folder = sources.pretraining_folder(model_type)
    words = _recipe(f"pretraining/rspnet_{model_type}")
    if sources.smoke:
        words += as_flags({**SMOKE_PRETRAINING, "config_overrides": SMOKE_SIZES[model_type]})
    words += sources.extra
    words += as_flags({"dataset_root": sources.kinetics, "output_dir": folder, "disable_tqdm": True})
    _, data, _, training, _ = pretrain.parser(words).parse(words)
    train = data.records()["train"]
    videos = len(train)
    job = Job(folder, (("pretrain", *words),), (hashes_of_parts({"train": train}, data),))
    hours = pretraining_hours(model_type, videos, training.num_train_epochs)
    disk = stored_gigabytes(
        _parameters(sources, model_type), 2, 3, _checkpoints(training)
    )  # both encoders, and the momentum
    return Step(job, f"RSPNet on {videos:,} videos, {training.num_train_epochs:g} epochs", hours, disk)


def finetuning_step(sources: Sources, row: Row) -> Step:
    """Stage two of a row on the flags of its recipe, and the tests of its last and its best epochs.

    Raises:
        ValueError: a flag is wrong, or the data set is not as it should be.
    """
    folder = sources.folder(row)
    words = _finetuning_words(sources, row)
    asked = finetune.parse(words)
    data, training = asked.data, asked.training
    tests = _tests(folder, row, data, training)
    parts = _parts(sources, row, data)
    parts["train"] = videos_to_learn(parts["train"], asked.augmentation, row.seed)
    hashes = hashes_of_parts(parts, data)
    made_from = (hashes, *[{"test_hash": hashes["test_hash"]} for _ in tests])
    job = Job(folder, (("finetune", *words), *tests), made_from)
    videos = len(parts["train"]), len(parts["validation"]), len(parts["test"])
    epochs = training.num_train_epochs
    hours = finetuning_hours(row.model_type, row.weight > 0, videos, epochs, len(tests) * TEST_CLIPS)
    copies = 3 if row.weight > 0 else 2  # the weights, the momentum, and the teacher
    disk = stored_gigabytes(_parameters(sources, row.model_type), len(tests), copies, _checkpoints(training))
    says = "train {:,}, validation {:,}, test {:,} videos".format(*videos)
    return Step(job, f"{says}; {epochs:g} epochs, {len(tests)} tests", hours, disk)


def from_its_encoder(job: Job, encoder: Mapping[str, str]) -> Job:
    """The job of a row, which knows the hash of its encoder, now that there is one."""
    training, *tests = job.made_from
    return replace(job, made_from=({**training, **encoder}, *tests))


def _finetuning_words(sources: Sources, row: Row) -> list[str]:
    root, annotations = sources.datasets[row.dataset]
    own: dict[str, Any] = {
        "model_name_or_path": sources.encoder(row.model_type),
        "dataset_root": root,
        "annotations": annotations,
        "split": row.split,
        "seed": row.seed,
        "distill_weight": exactly(row.weight),
        "keep_best": list(PARTS),
        "output_dir": sources.folder(row),
        "disable_tqdm": True,
    }
    smoke = as_flags(SMOKE_FINETUNING) if sources.smoke else []
    return [*_recipe(f"{row.dataset}_{row.model_type}"), *smoke, *sources.extra, *as_flags(own)]


def _tests(folder: Path, row: Row, data: DatasetArguments, training: VideoTrainingArguments) -> list[tuple[str, ...]]:
    shared = flags_of_data(data) | flags_of_device(training)
    shared |= {"split": row.split, "num_clips": TEST_CLIPS, "disable_tqdm": True}
    models = tested_models(folder).values()
    return [
        ("evaluate", *as_flags({"model_name_or_path": model, **shared, "output_file": model / RESULTS}))
        for model in models
    ]


def _parts(sources: Sources, row: Row, data: DatasetArguments) -> DatasetDict:
    """The videos for training, validation and test."""
    try:
        parts = data.load()
    except ValueError as error:
        raise ValueError(f"{row.dataset}: {error}") from error
    classes = parts["train"].features["label"].num_classes
    if classes != CLASSES[row.dataset] and not sources.smoke:
        raise ValueError(
            f"--{row.dataset}_root {data.dataset_root} has {classes} classes, the paper's {row.dataset} "
            f"{CLASSES[row.dataset]}; scripts/ablate.py takes other data sets"
        )
    return parts


def check_encoder(model_type: str, name: str) -> None:
    """Refuse an encoder that is given and is another.

    Raises:
        ValueError: it is of another architecture, or its weights do not fit.
        OSError: there is none.
    """
    encoder, _ = load_encoder(name)
    if encoder.config.model_type != model_type:
        raise ValueError(f"--{model_type} {name} is a {encoder.config.model_type}")


def _recipe(name: str) -> list[str]:
    return config_flags(["--config", str(RECIPES / f"{name}.yaml")])


def _checkpoints(training: VideoTrainingArguments) -> int:
    """How many are kept."""
    if training.save_strategy == "no":
        return 0
    return training.save_total_limit or int(training.num_train_epochs)


def _parameters(sources: Sources, model_type: str) -> int:
    config, _ = from_scratch(model_type, SMOKE_SIZES[model_type] if sources.smoke else None)
    with torch.device("meta"):
        return AutoModel.from_config(config).num_parameters()
