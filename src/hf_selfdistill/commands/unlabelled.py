"""From the name of a data set to videos without labels."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional

import datasets

from hf_selfdistill.data.datasets import load_video_dataset
from hf_selfdistill.data.findings import VideoFindings
from hf_selfdistill.data.unlabelled import StreamedUnlabelledClips, UnlabelledClips, VideoViews
from hf_selfdistill.data.video_files import find_videos, listed_videos, stream_shards

__all__ = ["UnlabelledArguments"]


@dataclass
class UnlabelledArguments:
    """Videos; labels are not used."""

    dataset: str = field(
        default="videos",
        metadata={
            "help": "videos (all files below --dataset_root), list (--annotations names them), shards (*.tar, "
            "streamed), or what finetune.py takes: its training part."
        },
    )
    dataset_root: Optional[str] = field(  # noqa: UP045 - HfArgumentParser's form
        default=None, metadata={"help": "Folder of the videos."}
    )
    annotations: Optional[str] = field(  # noqa: UP045
        default=None, metadata={"help": "With list: a text file, one path per line; else as for finetune.py."}
    )
    split: int = field(default=1, metadata={"help": "Which of the official splits' training part: 1, 2 or 3."})
    validation_fraction: float = field(
        default=0.0, metadata={"help": "Share of the training videos, in whole groups, kept to measure on."}
    )
    clips_per_epoch: Optional[int] = field(default=None, metadata={"help": "With shards: videos that make an epoch."})  # noqa: UP045
    max_unreadable: float = field(
        default=0.05, metadata={"help": "Share of videos that may be unreadable; they are left out and listed."}
    )

    def __post_init__(self) -> None:
        """Check which go together."""
        if (self.dataset == "shards") != (self.clips_per_epoch is not None):
            raise ValueError(
                f"--dataset is {self.dataset} and --clips_per_epoch {self.clips_per_epoch}; shards need it, to know "
                "when an epoch ends, and nothing else takes it"
            )
        if self.dataset in ("videos", "shards") and self.dataset_root is None:
            raise ValueError(f"--dataset {self.dataset} needs --dataset_root, the folder")
        if self.dataset == "list" and self.annotations is None:
            raise ValueError("--dataset list needs --annotations, the text file of paths")
        if self.dataset in ("videos", "shards") and self.annotations is not None:
            raise ValueError(
                f"--annotations is {self.annotations}, but --dataset {self.dataset} takes all videos below "
                "--dataset_root; leave it away, or set --dataset list"
            )
        if self.dataset in ("videos", "list", "shards") and (self.validation_fraction or self.split != 1):
            raise ValueError(
                f"--validation_fraction {self.validation_fraction:g} and --split {self.split} are of data sets with "
                f"groups and splits, which --dataset {self.dataset} has not"
            )

    def load(
        self, views: VideoViews, seed: int, findings: VideoFindings | None = None
    ) -> tuple[UnlabelledClips | StreamedUnlabelledClips, UnlabelledClips]:
        """Training and, empty where there are none, validation samples; `findings` is for what a stream can't list.

        Raises:
            ValueError: the data set or its files are not as they should be.
        """
        if self.dataset == "shards":
            assert self.clips_per_epoch is not None
            records = stream_shards(Path(self.dataset_root or "."))
            train = StreamedUnlabelledClips(
                records,
                self.clips_per_epoch,
                views,
                seed=seed,
                max_unreadable=self.max_unreadable,
                findings=findings,
            )
            return train, UnlabelledClips(datasets.Dataset.from_dict({"video": []}), views, seed)
        parts = self.records()
        return UnlabelledClips(parts["train"], views, seed), UnlabelledClips(parts["validation"], views, seed)

    def records(self) -> datasets.DatasetDict:
        """Videos for training and validation; of shards there is no such list."""
        root = None if self.dataset_root is None else Path(self.dataset_root)
        if self.dataset in ("videos", "list"):
            if self.dataset == "list":
                records = listed_videos(Path(self.annotations or ""), root, self.max_unreadable)
            else:
                records = find_videos(root or Path())
            return datasets.DatasetDict(train=records, validation=records.select([]))
        return load_video_dataset(
            self.dataset,
            self.dataset_root,
            self.annotations,
            self.split,
            self.validation_fraction,
            max_missing_fraction=self.max_unreadable,
        )
