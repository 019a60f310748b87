"""The paper's Tables 1 and 2 as lists of configs, from the recipes in `configs/`."""

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
from hf_selfdistill.experiments.tables import row_of, write_csv
from hf_selfdistill.runs.configs import FinetuneConfig, PretrainConfig
from hf_selfdistill.training.best_epochs import CHOICE, best_folder

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
Percent. "paper" rows are quoted (Zhou et al., arXiv 2205.00506: one run, split 1), "here" rows were measured by this
command; mean ± standard deviation over runs (splits × seeds) where there are several, and `results.csv` has each run.

- *Last epoch* chooses nothing. *Best on validation* is chosen on training videos that were held out by whole groups,
  and tested once. *Best on test* is how RSPNet's released code chooses: by the test videos that it then reports on, so
  it flatters.
- The paper does not say which epoch it reports, and its λ in Table 1 is the best of its Table 2, that is, on test.
- "Ours − RSPNet*" is the mean difference of runs with the same split and seed.
"""
SMOKE_NOTES = """
**A smoke run**: networks of a few channels, a few steps, generated videos of six classes in the place of UCF101 and
HMDB51. Its "here" rows say that the chain works and nothing else; they must not be compared with the paper's.
"""


class Row(NamedTuple):
    """One fine-tuning of the tables."""

    model_type: str
    dataset: str
    weight: float
    split: int
    seed: int

    @property
    def name(self) -> str:
        """Name of the run's folder."""
        return f"{self.model_type}-{self.dataset}-w{self.weight:.12g}-s{self.split}-r{self.seed}"


@dataclass(frozen=True)
class Reproduction:
    """What is to be reproduced.

    Args:
        output_dir: folder of the runs and the tables.
        datasets: maps `ucf101` and `hmdb51` to the folder of the videos and the folder of the official lists.
        encoders: maps an architecture to an encoder that replaces stage one.
        kinetics: folder of the videos of stage one.
        models: architectures.
        weights: λ of every row; by default 0 and the paper's best λ of each encoder and data set.
        splits: official splits.
        seeds: seeds of the fine-tunings.
        overrides: values for every training, besides the recipes'.
        smoke: small networks and a few steps.
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
        """Return every fine-tuning, seeds outermost."""
        return [
            Row(model_type, dataset, float(weight), split, seed)
            for seed, split, model_type, dataset in product(self.seeds, self.splits, self.models, self.datasets)
            for weight in (self.weights or [0.0, float(BEST_WEIGHT[model_type, dataset])])
        ]

    def stage_one(self) -> dict[str, Experiment]:
        """Return the pre-training of each encoder that is not given."""
        return {name: Experiment(self._pretraining(name)) for name in self.models if name not in self.encoders}

    def stage_two(self) -> dict[Row, Experiment]:
        """Return the fine-tuning of each row, with a test of its last and its best epochs."""
        return {row: with_tests(self._finetuning(row), TEST_CLIPS) for row in self.rows()}

    def _pretraining(self, model_type: str) -> PretrainConfig:
        values = _recipe(f"pretraining/rspnet_{model_type}")
        values |= {**SMOKE_PRETRAINING, "config_overrides": SMOKE_SIZES[model_type]} if self.smoke else {}
        values |= dict(self.overrides)
        values |= {
            "dataset_root": self.kinetics,
            "output_dir": str(self.output_dir / "encoders" / model_type),
            "disable_tqdm": True,
        }
        return PretrainConfig.from_recipe(values)

    def _finetuning(self, row: Row) -> FinetuneConfig:
        root, annotations = self.datasets[row.dataset]
        encoder = self.encoders.get(row.model_type) or str(self.output_dir / "encoders" / row.model_type)
        return FinetuneConfig.from_dict(
            {
                **_recipe(f"{row.dataset}_{row.model_type}"),
                **(SMOKE_FINETUNING if self.smoke else {}),
                **self.overrides,
                "model_name_or_path": encoder,
                "dataset_root": root,
                "annotations": annotations,
                "split": row.split,
                "seed": row.seed,
                "distill_weight": row.weight,
                "keep_best": ["validation", "test"],
                "output_dir": str(self.output_dir / "runs" / row.name),
                "disable_tqdm": True,
            }
        )

    def plan(self) -> str:
        """Describe every run with its numbers of videos, as a Markdown table.

        Raises:
            ValueError: a data set is not as it should be, or not the paper's.
        """
        lines = ["| run | videos | epochs |", "|---|---|---|"]
        for name, experiment in self.stage_one().items():
            config = experiment.training
            lines.append(f"| pre-train {name} | {_count(config, 'train')} | {config.num_train_epochs:g} |")
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
                f"`{row.dataset}_root` {config.dataset_root} has {classes} classes, the paper's {row.dataset} has "
                f"{CLASSES[row.dataset]}; use ablate for other data sets"
            )
        counts = {part: len(parts[part]) for part in ("train", "validation", "test")}
        return "{train:,} train, {validation:,} validation, {test:,} test".format(**counts)


def reproduce(
    asked: Reproduction,
    devices: Sequence[str] = ("0",),
    cluster: str | None = None,
    cluster_args: Mapping[str, Any] | None = None,
) -> str:
    """Do both stages and the tests, and write `table1.md`, `table2.md` and `results.csv`; return Table 1.

    Args:
        asked: what is to be reproduced.
        devices: see `launch`; a pre-training takes all of them.
        cluster: see `launch`.
        cluster_args: see `launch`.

    Raises:
        ValueError: some runs failed, or a folder holds another run.
    """
    files = asked.output_dir / "cluster"
    one, two = asked.stage_one(), asked.stage_two()
    failed = launch(list(one.values()), [",".join(devices)], cluster, cluster_args, files)
    without = {name for name, experiment in one.items() if experiment in failed}
    ready = {row: experiment for row, experiment in two.items() if row.model_type not in without}
    failed += launch(list(ready.values()), devices, cluster, cluster_args, files)
    finished = {row: experiment.folder for row, experiment in ready.items() if experiment not in failed}
    table = _write_tables(asked.output_dir, finished, asked.smoke) if finished else ""
    if failed:
        names = ", ".join(experiment.folder.name for experiment in failed)
        raise ValueError(
            f"{len(failed)} runs failed: {names}; their log.txt says why, and the same command tries again"
        )
    return table


def _write_tables(output_dir: Path, folders: Mapping[Row, Path], smoke: bool) -> str:
    rows = [_line(row, choice, folder) for row, folder in folders.items() for choice in CHOICES]
    measured: dict[Cell, dict[tuple[int, int], tuple[float, float]]] = {}
    for row in rows:
        cell = Cell(row["model_type"], row["dataset"], row["distill_weight"], row["choice"])
        measured.setdefault(cell, {})[row["split"], row["seed"]] = row["video_top1"], row["video_top5"]
    tables = table_1(measured), table_2(measured)
    for number, table in enumerate(tables, start=1):
        text = "\n".join([f"# Table {number}", *([SMOKE_NOTES] if smoke else [""]), table]) + NOTES
        write_whole(output_dir / f"table{number}.md", text)
    write_csv(output_dir / "results.csv", rows)
    return tables[0]


def _line(row: Row, choice: str, run: Path) -> dict[str, Any]:
    folder = run if choice == "last" else best_folder(run, choice)
    chosen = {"epoch": "last"} if choice == "last" else json.loads((folder / CHOICE).read_text("utf-8"))
    named = {"model_type": row.model_type, "dataset": row.dataset, "distill_weight": row.weight}
    return {
        **named,
        "split": row.split,
        "seed": row.seed,
        "choice": choice,
        "epoch": chosen["epoch"],
        **row_of(folder),
    }


def _recipe(name: str) -> dict[str, Any]:
    file = RECIPES / f"{name}.yaml"
    if not file.is_file():
        raise ValueError(f"{file} is missing; start in the project's folder")
    values: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return values


def _count(config: Any, part: str) -> str:
    return f"{len(config.load(config.max_unreadable)[part]):,}"
