"""Reproduction of the paper's Tables 1 and 2 from the recipes in `configs/`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from hf_selfdistill.data.whole_files import write_whole
from hf_selfdistill.experiments.experiment import Experiment
from hf_selfdistill.experiments.grid import with_tests
from hf_selfdistill.experiments.launcher import launch
from hf_selfdistill.experiments.paper_results import BEST_WEIGHT, CLASSES
from hf_selfdistill.experiments.paper_tables import MODELS, Cell, table_1, table_2
from hf_selfdistill.experiments.run_warnings import describe_warnings
from hf_selfdistill.experiments.tables import row_of, write_csv
from hf_selfdistill.runs.configs import FinetuneConfig, PretrainConfig
from hf_selfdistill.training.best_epochs import CHOICE, best_folder
from hf_selfdistill.training.record import RunRecord

__all__ = ["RECIPES", "Reproduction", "Row", "reproduce"]

RECIPES = Path("configs")
TEST_CLIPS = 10
CHOICES = ("last", "validation", "test")
SMOKE = {"dataloader_num_workers": 0, "dataloader_persistent_workers": False, "use_cpu": True}
SMOKE_SIZES = {
    "c3d": "hidden_sizes=8,16,16,16,16,num_frames=8,image_size=32",
    "r2plus1d": "hidden_sizes=8,8,16,16,16,num_frames=8,image_size=32",
}
SMOKE_PRETRAINING = {**SMOKE, "num_train_epochs": 1, "per_device_train_batch_size": 8, "queue_size": 16}
SMOKE_FINETUNING = {**SMOKE, "num_train_epochs": 4, "per_device_train_batch_size": 8, "flip_probability": 0}

NOTES = """
Percent. The "paper" rows are quoted from Zhou et al., arXiv 2205.00506 (one run, split 1). The "here" rows were
measured by this command: mean ± standard deviation over the runs (splits × seeds). `results.csv` has each run.

- *Last epoch*: no epoch is selected. *Best on validation*: the epoch is selected on training videos held out by whole
  groups, and tested once. *Best on test*: the epoch is selected on the test videos, as in RSPNet's released code; this
  accuracy is optimistic.
- The paper does not say which epoch it reports. Its λ in Table 1 is the best λ of its Table 2, selected on the test
  part.
- "Ours − RSPNet*" is the mean difference between runs with the same split and seed.
"""
SMOKE_NOTES = """
**A smoke run**: networks of a few channels, a few steps, and generated videos of six classes instead of UCF101 and
HMDB51. The "here" rows only show that the chain works; do not compare them with the paper.
"""


class Row(NamedTuple):
    """A fine-tuning of the tables."""

    model_type: str
    dataset: str
    distill_weight: float
    split: int
    seed: int

    @property
    def name(self) -> str:
        """Name of the run's folder."""
        return f"{self.model_type}-{self.dataset}-w{self.distill_weight:.12g}-s{self.split}-r{self.seed}"


@dataclass(frozen=True)
class Reproduction:
    """The runs of a reproduction.

    Args:
        output_dir: folder of the runs and the tables.
        datasets: maps `ucf101` and `hmdb51` to the folder of the videos and the folder of the official lists.
        encoders: maps an architecture to an encoder that replaces stage one.
        kinetics: folder of the videos of stage one.
        models: names of the architectures.
        weights: values of λ; by default 0 and the paper's best λ of each encoder and data set.
        splits: numbers of the official splits.
        seeds: seeds of the fine-tunings.
        overrides: values that override the recipes in all trainings.
        smoke: whether to train small networks for a few steps.
    """

    output_dir: Path
    datasets: Mapping[str, tuple[str, str | None]]
    encoders: Mapping[str, str] = field(default_factory=dict)
    kinetics: str | None = None
    models: Sequence[str] = tuple(MODELS)
    weights: Sequence[float] = ()
    splits: Sequence[int] = (1,)
    seeds: Sequence[int] = (0,)
    overrides: Mapping[str, Any] = field(default_factory=dict)
    smoke: bool = False

    def rows(self) -> list[Row]:
        """Return all fine-tunings; the seed varies slowest."""
        return [
            Row(model_type, dataset, float(weight), split, seed)
            for seed, split, model_type, dataset in product(self.seeds, self.splits, self.models, self.datasets)
            for weight in (self.weights or [0.0, float(BEST_WEIGHT[model_type, dataset])])
        ]

    def stage_one(self) -> dict[str, Experiment]:
        """Return the pre-training of each encoder that is not given."""
        return {name: Experiment(self._pretraining(name)) for name in self.models if name not in self.encoders}

    def stage_two(self) -> dict[Row, Experiment]:
        """Return the fine-tuning of each row, with tests of its last epoch and its best epochs."""
        return {row: with_tests(self._finetuning(row), TEST_CLIPS) for row in self.rows()}

    def _pretraining(self, model_type: str) -> PretrainConfig:
        smoke = {**SMOKE_PRETRAINING, "config_overrides": SMOKE_SIZES[model_type]} if self.smoke else {}
        own = {"dataset_root": self.kinetics, "output_dir": str(self.output_dir / "encoders" / model_type)}
        recipe = _recipe(f"pretraining/rspnet_{model_type}")
        return PretrainConfig.from_recipe({**recipe, **smoke, **self.overrides, **own, "disable_tqdm": True})

    def _finetuning(self, row: Row) -> FinetuneConfig:
        root, annotations = self.datasets[row.dataset]
        encoder = self.encoders.get(row.model_type) or str(self.output_dir / "encoders" / row.model_type)
        own = {name: getattr(row, name) for name in ("split", "seed", "distill_weight")}
        own |= {"model_name_or_path": encoder, "dataset_root": root, "annotations": annotations, "disable_tqdm": True}
        own |= {"keep_best": ["validation", "test"], "output_dir": str(self.output_dir / "runs" / row.name)}
        smoke = SMOKE_FINETUNING if self.smoke else {}
        recipe = _recipe(f"{row.dataset}_{row.model_type}")
        return FinetuneConfig.from_dict({**recipe, **smoke, **self.overrides, **own})

    def plan(self) -> str:
        """Return a Markdown table of all runs with their numbers of videos.

        Raises:
            ValueError: a data set can't be read, or has another number of classes than the paper's.
        """
        lines = ["| run | videos | epochs |", "|---|---|---|"]
        for name, experiment in self.stage_one().items():
            config = experiment.training
            videos = len(config.load(config.max_unreadable)["train"])
            lines.append(f"| pre-train {name} | {videos:,} | {config.num_train_epochs:g} |")
        counted: dict[tuple[str, int], str] = {}
        for row, experiment in self.stage_two().items():
            config = experiment.training
            if (row.dataset, row.split) not in counted:
                counted[row.dataset, row.split] = self._check_videos(row, config)
            lines.append(f"| {row.name} | {counted[row.dataset, row.split]} | {config.num_train_epochs:g} |")
        return "\n".join(lines)

    def _check_videos(self, row: Row, config: Any) -> str:
        try:
            parts = config.load(config.max_unreadable)
        except ValueError as error:
            raise ValueError(f"{row.dataset}: {error}") from error
        classes = parts["train"].features["label"].num_classes
        if classes != CLASSES[row.dataset] and not self.smoke:
            raise ValueError(
                f"`{row.dataset}_root` {config.dataset_root} has {classes} classes, but {row.dataset} has "
                f"{CLASSES[row.dataset]}; use ablate for other data sets"
            )
        counts = {part: len(parts[part]) for part in ("train", "validation", "test")}
        return "{train:,} train, {validation:,} validation, {test:,} test".format(**counts)


def reproduce(
    reproduction: Reproduction,
    devices: Sequence[str] = ("0",),
    cluster: str | None = None,
    cluster_args: Mapping[str, Any] | None = None,
) -> str:
    """Run both stages and the tests; write `table1.md`, `table2.md` and `results.csv`.

    Args:
        reproduction: the runs.
        devices: devices of local processes, see `launch`; each pre-training takes all devices.
        cluster: submitit's name of the cluster, see `launch`.
        cluster_args: parameters of the cluster's jobs, see `launch`.

    Returns:
        Table 1, as Markdown.

    Raises:
        ValueError: some runs failed, or a folder holds a different run.
    """
    output_dir, one, two = reproduction.output_dir, reproduction.stage_one(), reproduction.stage_two()
    files = output_dir / "cluster"
    failed = launch(list(one.values()), [",".join(devices)], cluster, cluster_args, files)
    without = {name for name, experiment in one.items() if experiment in failed}
    ready = {row: experiment for row, experiment in two.items() if row.model_type not in without}
    failed += launch(list(ready.values()), devices, cluster, cluster_args, files)
    finished = {row: experiment.folder for row, experiment in ready.items() if experiment not in failed}
    table = _write_tables(output_dir, finished, reproduction.smoke) if finished else ""
    if failed:
        names = ", ".join(experiment.folder.name for experiment in failed)
        raise ValueError(f"{len(failed)} runs failed: {names}; read their log.txt and run the same command to retry")
    return table


def _write_tables(output_dir: Path, folders: Mapping[Row, Path], smoke: bool) -> str:
    rows = [_line(row, choice, folder) for row, folder in folders.items() for choice in CHOICES]
    measured: dict[Cell, dict[tuple[int, int], tuple[float, float]]] = {}
    for row in rows:
        cell = Cell(row["model_type"], row["dataset"], row["distill_weight"], row["choice"])
        measured.setdefault(cell, {})[row["split"], row["seed"]] = row["video_top1"], row["video_top5"]
    records = [record for run in folders.values() if (record := RunRecord.load(run)) is not None]
    warnings = describe_warnings(records)
    tables = table_1(measured), table_2(measured)
    for number, table in enumerate(tables, start=1):
        text = "\n".join([f"# Table {number}", *([SMOKE_NOTES] if smoke else [""]), table]) + NOTES + warnings
        write_whole(output_dir / f"table{number}.md", text)
    write_csv(output_dir / "results.csv", rows)
    return f"{tables[0]}\n{warnings}"


def _line(row: Row, choice: str, run: Path) -> dict[str, Any]:
    folder = run if choice == "last" else best_folder(run, choice)
    chosen = {"epoch": "last"} if choice == "last" else json.loads((folder / CHOICE).read_text("utf-8"))
    return row._asdict() | {"choice": choice, "epoch": chosen["epoch"]} | row_of(folder)


def _recipe(name: str) -> dict[str, Any]:
    file = RECIPES / f"{name}.yaml"
    if not file.is_file():
        raise ValueError(f"{file} is missing; run the command in the project's folder")
    values: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return values
