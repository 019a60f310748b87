"""Places of the videos that results name."""

from __future__ import annotations

import os
from pathlib import Path

from huggingface_hub.constants import HF_HUB_CACHE
from huggingface_hub.file_download import repo_folder_name

from hf_selfdistill.data.datasets import root_of
from hf_selfdistill.training.record import RunRecord

__all__ = ["folder_of_videos"]


def folder_of_videos(record: RunRecord, task: str) -> Path:
    """Return the folder that the names of videos in a task's last result are relative to.

    A data set of the Hub is found in the cache.
    """
    config = next((result.config for result in reversed(record.current(task))), {})
    name = config.get("dataset", "")
    root = root_of(name, config.get("dataset_root"), config.get("annotations"))
    if root is not None:
        return root
    repository = Path(HF_HUB_CACHE, repo_folder_name(repo_id=name, repo_type="dataset"))
    return max(repository.glob("snapshots/*"), key=os.path.getmtime, default=Path())
