"""Whether the videos that are tested are those that a model did not see in training."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import datasets

from hf_selfdistill.commands.cards import root_of_names
from hf_selfdistill.commands.datasets import DatasetArguments
from hf_selfdistill.data.fingerprint import fingerprint
from hf_selfdistill.hub.card_tables import card_summary, card_tables

__all__ = ["warn_of_seen_videos"]

logger = logging.getLogger(__name__)


def warn_of_seen_videos(card: Path, data: DatasetArguments, part: str, records: datasets.Dataset) -> None:
    """Warn where a card names another test or validation part of the data set than the one that is measured on.

    So it is with a folder to which videos were added, which is divided anew, and with another official split.

    Args:
        card: of the model; where there is none, or none of ours, nothing is known and nothing is said.
        data: the data set.
        part: of it.
        records: the videos of the part.
    """
    named = re.compile(rf"Data set {re.escape(data.dataset)}(, split \d)?\.( |$)")
    if part == "train" or not named.search(card_summary(card) or ""):
        return
    rows = [row for table in card_tables(card) if table.section == "Training data" for row in table.rows]
    held_out = {name: (videos, sha256) for name, videos, sha256 in rows}
    if part in held_out and held_out[part][1] != fingerprint(records, root_of_names(data)):
        logger.warning(
            "The %s part, %d videos, is not the one that %s names, %s videos: the model may have been trained on some "
            "of these videos",
            part,
            len(records),
            card,
            held_out[part][0],
        )
