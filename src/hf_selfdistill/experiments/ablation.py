"""Fine-tuning in many settings, compared in one table."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hf_selfdistill.experiments.grid import grid, saved_models, with_tests
from hf_selfdistill.experiments.launcher import launch
from hf_selfdistill.experiments.tables import write_comparison
from hf_selfdistill.runs.configs import FROM_SCRATCH, FinetuneConfig

__all__ = ["ablate"]

logger = logging.getLogger(__name__)


def ablate(
    base: FinetuneConfig,
    output_dir: Path,
    axes: Mapping[str, Sequence[Any]],
    num_clips: int = 10,
    devices: Sequence[str] = ("0",),
    cluster: str | None = None,
    cluster_args: Mapping[str, Any] | None = None,
) -> str:
    """Fine-tune in every setting of a grid, test every model, and write the table, the figures and `results.csv`.

    Args:
        base: values that all runs share; its reference set measures what each model forgot.
        output_dir: folder of the runs, the table and the figures.
        axes: values of each field that varies.
        num_clips: test clips per video.
        devices: see `launch`.
        cluster: see `launch`.
        cluster_args: see `launch`.

    Returns:
        The table, as Markdown.

    Raises:
        ValueError: some runs failed, or a folder holds another run.
    """
    reference = base.reference()
    if reference is not None and base.model_name_or_path in FROM_SCRATCH:
        raise ValueError(f"`reference_dataset`: {base.model_name_or_path} has random weights, with nothing to retain")
    if base.retention_epochs is None:  # retention is measured after the training alone
        base = type(base).from_dict({k: v for k, v in base.to_dict().items() if not k.startswith("reference_")})
    configs = grid(base, output_dir / "runs", **axes)
    for split in {config.split for config in configs}:  # refuse what no run could load, before the first one
        dataclasses.replace(base, split=split).load(base.max_unreadable)
    experiments = [with_tests(config, num_clips, reference) for config in configs]
    logger.info("%d runs in %s", len(experiments), output_dir.resolve())
    failed = launch(experiments, devices, cluster, cluster_args, output_dir / "cluster")
    folders = {
        place: folder
        for config, experiment in zip(configs, experiments, strict=True)
        if experiment not in failed
        for place, folder in saved_models(config)
    }
    table = write_comparison(output_dir, folders) if folders else ""
    if failed:
        names = ", ".join(experiment.folder.name for experiment in failed)
        raise ValueError(f"{len(failed)} of {len(experiments)} runs failed: {names}; the same command tries again")
    return table
