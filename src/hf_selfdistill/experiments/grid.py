"""A grid of fine-tuning configs, each with the tests of its models."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from hf_selfdistill.experiments.comparison import STRENGTHS, Setting
from hf_selfdistill.experiments.experiment import Experiment
from hf_selfdistill.regularizers.wise_ft import AVERAGES
from hf_selfdistill.runs.arguments import DatasetArguments
from hf_selfdistill.runs.configs import EvaluateConfig, FinetuneConfig, ForgettingConfig
from hf_selfdistill.training.arguments import device_values
from hf_selfdistill.training.best_epochs import best_folder

__all__ = ["FORGETTING", "RESULTS", "Place", "grid", "saved_models", "setting_of", "with_tests"]

RESULTS, FORGETTING = "evaluation.json", "forgetting.json"
REFERENCE_CLIPS = 4
"""Clips per video of the reference set."""


class Place(NamedTuple):
    """Place of a model in a grid: its setting, the split of the data set, and the seed."""

    setting: Setting
    split: int
    seed: int


def grid(
    base: FinetuneConfig,
    output_dir: Path,
    strengths: Mapping[str, Sequence[float]] | None = None,
    **axes: Sequence[Any],
) -> list[FinetuneConfig]:
    """Return one config per combination of values, each with its own output folder.

    Args:
        base: config with the values that all runs share.
        output_dir: parent folder of the output folders.
        strengths: maps a regularizer to its strengths; by default the strength of `base`.
        axes: maps each field that varies to its values; the last field varies fastest. Regularizers other than
            self-distillation have no λ and appear once per strength.
    """
    configs = []
    for values in product(*axes.values()):
        config = dataclasses.replace(base, **dict(zip(axes, values, strict=True)))
        swept = (strengths or {}).get(config.regularizer)
        changed: list[dict[str, Any]] = [{}]
        if swept is not None:
            changed = [{STRENGTHS[config.regularizer]: value} for value in swept]
        for changes in changed:
            config = dataclasses.replace(config, **changes)
            name = "-".join([_name(config), *(f"{value:.12g}" for value in changes.values())])
            configs.append(dataclasses.replace(config, output_dir=str(output_dir / name)))  # type: ignore[call-arg]
    return list(dict.fromkeys(configs))


def with_tests(config: FinetuneConfig, num_clips: int, reference: DatasetArguments | None = None) -> Experiment:
    """Return a fine-tuning and the tests of every model that it saves.

    Args:
        config: config of the fine-tuning.
        num_clips: number of test clips per video.
        reference: reference set; with it, what each model forgot is measured too.
    """
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
    """Return the models that a fine-tuning saves: last and best epochs, or the averages of WiSE-FT."""
    folder = Path(str(config.output_dir))
    setting = setting_of(config)
    changes: list[tuple[dict[str, Any], Path]]
    if config.regularizer == "wise_ft":
        changes = [({"share": share}, folder / AVERAGES / f"{share:g}") for share in config.wise_ft_weights]
    else:
        changes = [({}, folder), *(({"epoch": part}, best_folder(folder, part)) for part in config.keep_best)]
    return [
        (Place(dataclasses.replace(setting, **change), config.split, config.seed), place) for change, place in changes
    ]


def setting_of(config: FinetuneConfig) -> Setting:
    """Return the setting of a run's last epoch."""
    field = STRENGTHS.get(config.regularizer)
    return Setting(
        config.label_fraction,
        config.learning_rate,
        config.regularizer,
        config.distill_weight,
        strength=-1.0 if field is None else getattr(config, field),
    )


def _name(config: FinetuneConfig) -> str:
    """Return the name of a run's folder, with values to twelve significant digits."""
    weight, rate, fraction = (
        f"{value:.12g}" for value in (config.distill_weight, config.learning_rate, config.label_fraction)
    )
    return f"{config.regularizer}-w{weight}-lr{rate}-l{fraction}-s{config.split}-r{config.seed}"
