"""Comparison of fine-tuning settings over a grid."""

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
    strengths: Mapping[str, Sequence[float]] | None = None,
    num_clips: int = 10,
    devices: Sequence[str] = ("0",),
    cluster: str | None = None,
    cluster_args: Mapping[str, Any] | None = None,
) -> str:
    """Fine-tune and test every config of a grid; write the table, the figures and `results.csv`.

    Args:
        base: config that all runs share; what each model forgot is measured on its reference set.
        output_dir: folder of the runs, the table and the figures.
        axes: maps each field that varies to its values.
        strengths: maps a regularizer to its strengths, see `grid`.
        num_clips: number of test clips per video.
        devices: devices of local processes, see `launch`.
        cluster: submitit's name of the cluster, see `launch`.
        cluster_args: parameters of the cluster's jobs, see `launch`.

    Returns:
        The table, as Markdown.

    Raises:
        ValueError: some runs failed, or a folder holds a different run.
    """
    reference = base.reference()
    if reference is not None and base.model_name_or_path in FROM_SCRATCH:
        raise ValueError(
            f"`model_name_or_path` {base.model_name_or_path} has random weights, with nothing to retain; give a "
            "pre-trained encoder or remove `reference_dataset`"
        )
    if base.retention_epochs is None:  # measure retention only after training
        base = type(base).from_dict({k: v for k, v in base.to_dict().items() if not k.startswith("reference_")})
    configs = grid(base, output_dir / "runs", strengths, **axes)
    for split in {config.split for config in configs}:  # fail before the first run if a split can't be loaded
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
        raise ValueError(f"{len(failed)} of {len(experiments)} runs failed: {names}; run the same command to retry")
    return table
