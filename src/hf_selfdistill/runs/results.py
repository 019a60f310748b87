"""Results of evaluations in a JSON file, the record and the card."""

from __future__ import annotations

import copy
import logging
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import datasets

from hf_selfdistill.data.whole_files import check_writable, write_json, write_whole
from hf_selfdistill.reporting.forgetting_table import as_markdown
from hf_selfdistill.runs.configs import EvaluateConfig, ForgettingConfig
from hf_selfdistill.training.card import write_card
from hf_selfdistill.training.figures import save_figure
from hf_selfdistill.training.record import RECORD, Result, RunRecord, hash_of_model, software

__all__ = ["keep_results", "prepare_output"]

logger = logging.getLogger(__name__)

Config = TypeVar("Config", EvaluateConfig, ForgettingConfig)


def prepare_output(config: Config) -> Config:
    """Make the folder of the results, and return a copy of the config with an `output_dir`, which the Trainer needs.

    Raises:
        ValueError: the file of the results is a folder.
    """
    if config.output_file is not None:
        file = Path(config.output_file)
        if file.is_dir():
            raise ValueError(f"`output_file` is {file}, a folder; name a file in it, such as {file}/evaluation.json")
        check_writable(file.parent)
    ready = copy.copy(config)
    if not ready.output_dir:
        ready.output_dir = str(Path(config.output_file).parent) if config.output_file else tempfile.gettempdir()
    return ready


def keep_results(
    config: EvaluateConfig | ForgettingConfig, values: dict[str, Any], videos: datasets.DatasetDict | None = None
) -> Result:
    """Write results to `output_file`, and to the record and the card of a model with a record.

    Args:
        config: config of the evaluation.
        values: the results.
        videos: the data set by part; read again if not given.
    """
    folder = Path(config.model_name_or_path)
    weights = hash_of_model(folder)
    result = Result(
        config.task, weights or "", values, config.to_dict(), config.identity(config.inputs(videos)), software()
    )
    if not config.should_save:
        return result
    if config.output_file is not None:
        file = Path(config.output_file)
        write_json(file, values)
        if config.task == "forgetting":
            _write_table(values, file)
    if weights is None:
        return result
    record = RunRecord.load(folder)
    if record is None:
        logger.info(
            "%s has no %s, as another tool or an earlier version made it: nothing is recorded; fine-tune again to "
            "record results",
            folder,
            RECORD,
        )
        return result
    record = record.of_weights(weights)
    record.add(result)
    record.save(folder)
    write_card(folder, record)
    logger.info("The results are in the record and the card of %s", folder)
    return result


def _write_table(values: dict[str, Any], file: Path) -> None:
    """Write the table beside the JSON file and, with matplotlib, the figure.

    The figure shows the accuracies; without labels, the similarity of the layers.
    """
    write_whole(file.with_suffix(".md"), as_markdown(values))
    logger.info("The table is in %s", file.with_suffix(".md"))
    if find_spec("matplotlib") is not None:
        from hf_selfdistill.reporting.forgetting_figures import drift_figure, forgetting_figure

        if "before" in values:
            figure = forgetting_figure(values["before"], values["after"], values["chance"])
        else:
            figure = drift_figure(values["drift"]["layers"])
        save_figure(figure, file.with_suffix(".png"), dpi=150)
        logger.info("The figure is in %s", file.with_suffix(".png"))
