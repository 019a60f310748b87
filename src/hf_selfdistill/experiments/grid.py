"""A grid of fine-tunings: configs that differ in some values, each with its tests."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from hf_selfdistill.experiments.comparison import Setting
from hf_selfdistill.experiments.experiment import Experiment
from hf_selfdistill.regularizers.wise_ft import AVERAGES
from hf_selfdistill.runs.arguments import DatasetArguments
from hf_selfdistill.runs.configs import EvaluateConfig, FinetuneConfig, ForgettingConfig
from hf_selfdistill.training.arguments import device_values
from hf_selfdistill.training.best_epochs import best_folder

__all__ = ["FORGETTING", "RESULTS", "Place", "grid", "saved_models", "with_tests"]

RESULTS, FORGETTING = "evaluation.json", "forgetting.json"
REFERENCE_CLIPS = 4  # per video of the reference set


class Place(NamedTuple):
    """Place of a model in a grid: its setting, the split of the data set, and the seed."""

    setting: Setting
    split: int
    seed: int


def grid(base: FinetuneConfig, output_dir: Path, **axes: Sequence[Any]) -> list[FinetuneConfig]:
    """Return one config per combination of values, each with a folder of its own.

    Args:
        base: the values that all configs share.
        output_dir: folder of the runs.
        axes: values of each field that varies; the last axis varies fastest. A rival of self-distillation appears
            once, whatever λ.
    """
    configs = [dataclasses.replace(base, **dict(zip(axes, values, strict=True))) for values in product(*axes.values())]
    named = [
        dataclasses.replace(config, output_dir=str(output_dir / _name(config)))  # type: ignore[call-arg]
        for config in configs
    ]
    return list(dict.fromkeys(named))


def with_tests(config: FinetuneConfig, num_clips: int, reference: DatasetArguments | None = None) -> Experiment:
    """Return a fine-tuning with a test of every model that it saves and, with a reference set, what each forgot."""
    shared: dict[str, Any] = {**device_values(config), "disable_tqdm": True, "max_unreadable": config.max_unreadable}
    data = {name: getattr(config, name) for name in ("dataset", "dataset_root", "annotations", "split")}
    folders = [folder for _, folder in saved_models(config)]
    tests: list[EvaluateConfig | ForgettingConfig] = [
        EvaluateConfig(
            model_name_or_path=str(folder),
            output_file=str(folder / RESULTS),
            num_clips=num_clips,
            validation_fraction=config.validation_fraction,
            **shared,
            **data,
        )
        for folder in folders
    ]
    if reference is not None:
        tests += [
            ForgettingConfig(
                model_name_or_path=str(folder),
                before=config.model_name_or_path,
                output_file=str(folder / FORGETTING),
                num_clips=REFERENCE_CLIPS,
                **shared,
                **vars(reference),
            )
            for folder in folders
        ]
    return Experiment(config, tuple(tests))


def saved_models(config: FinetuneConfig) -> list[tuple[Place, Path]]:
    """Return the models that a fine-tuning saves: of its last and its best epochs, or the averages of WiSE-FT."""
    folder = Path(str(config.output_dir))
    setting = Setting(config.label_fraction, config.learning_rate, config.regularizer, config.distill_weight)
    if config.regularizer == "wise_ft":
        found: Mapping[Setting, Path] = {
            dataclasses.replace(setting, share=share): folder / AVERAGES / f"{share:g}"
            for share in config.wise_ft_weights
        }
    else:
        best = {dataclasses.replace(setting, epoch=part): best_folder(folder, part) for part in config.keep_best}
        found = {setting: folder, **best}
    return [(Place(own, config.split, config.seed), where) for own, where in found.items()]


def _name(config: FinetuneConfig) -> str:
    """Name of a run's folder; twelve significant digits tell different values apart."""
    weight, rate, fraction = (
        f"{value:.12g}" for value in (config.distill_weight, config.learning_rate, config.label_fraction)
    )
    return f"{config.regularizer}-w{weight}-lr{rate}-l{fraction}-s{config.split}-r{config.seed}"
