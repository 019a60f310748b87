"""Groups of fields shared by several configs. Nothing heavy is imported here: `--help` loads this module."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from hf_selfdistill.training.arguments import check_choice, check_positive

if TYPE_CHECKING:
    import datasets

__all__ = [
    "CheckpointArguments",
    "DatasetArguments",
    "LoraArguments",
    "ReferenceArguments",
    "SubsetArguments",
    "UnlabelledArguments",
]


@dataclass(kw_only=True)
class CheckpointArguments:
    """Checkpoints of a run: by default one every epoch, of which two are kept."""

    save_strategy: str = field(default="epoch", metadata={"help": "When to save a checkpoint: no, steps, epoch."})
    save_total_limit: int | None = field(default=2, metadata={"help": "Number of checkpoints that are kept."})


@dataclass(kw_only=True)
class LoraArguments:
    """Low-rank adapters (LoRA)."""

    lora_rank: int | None = field(
        default=None, metadata={"help": "Train adapters of this rank (LoRA) and the head, not the whole encoder."}
    )
    lora_target_modules: str | None = field(
        default=None, metadata={"help": "Layers that get adapters: query,value; by default all linear ones."}
    )


@dataclass(kw_only=True)
class DatasetArguments:
    """Data."""

    dataset: str = field(
        metadata={"help": "ucf101 or hmdb51 (those layouts, any classes), folder, csv, moving_shapes, or a Hub name."}
    )
    dataset_root: str | None = field(default=None, metadata={"help": "Folder of the videos."})
    annotations: str | None = field(
        default=None, metadata={"help": "Folder of the official lists, or the CSV file (video,label[,group][,split])."}
    )
    split: int = field(default=1, metadata={"help": "Official split: 1, 2 or 3."})
    validation_fraction: float = field(
        default=0.1, metadata={"help": "Share of the training videos, in whole groups, kept for validation."}
    )

    def load(self, max_missing_fraction: float = 0.05) -> datasets.DatasetDict:
        """Load the parts `train`, `validation` and `test`.

        Raises:
            ValueError: the data set, its lists or its files are wrong, or all videos are of one class.
        """
        from hf_selfdistill.data.datasets import load_video_dataset

        videos = load_video_dataset(
            self.dataset,
            self.dataset_root,
            self.annotations,
            self.split,
            self.validation_fraction,
            max_missing_fraction=max_missing_fraction,
        )
        classes = videos["train"].features["label"].names
        if len(classes) < 2:
            raise ValueError(
                f"all videos of `dataset` {self.dataset} are of one class, {', '.join(classes)}; give videos of at "
                "least two classes"
            )
        return videos


@dataclass(kw_only=True)
class SubsetArguments:
    """Part of the training videos."""

    max_train_samples: int | None = field(
        default=None, metadata={"help": "Train on this many videos, drawn with the seed."}
    )
    label_fraction: float = field(
        default=1.0, metadata={"help": "Train on this share of each class's videos, drawn with the seed."}
    )

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_positive("max_train_samples", self.max_train_samples)
        if not 0 < self.label_fraction <= 1:
            raise ValueError(f"`label_fraction` is {self.label_fraction:g}; it must be above 0 and at most 1")

    def select(self, records: datasets.Dataset, seed: int) -> datasets.Dataset:
        """Return the training videos, or a part of them drawn with the seed."""
        if self.label_fraction != 1:
            from hf_selfdistill.data.splits import share_of_each_class

            records = share_of_each_class(records, self.label_fraction, seed)
        if self.max_train_samples is not None:
            records = records.shuffle(seed).select(range(min(self.max_train_samples, len(records))))
        return records


@dataclass(kw_only=True)
class ReferenceArguments:
    """Reference set, to measure retention on."""

    reference_dataset: str | None = field(
        default=None,
        metadata={"help": "A data set as --dataset takes it, with classes that the encoder distinguishes."},
    )
    reference_root: str | None = field(
        default=None, metadata={"help": "Root folder of the reference set (see --dataset_root)."}
    )
    reference_annotations: str | None = field(
        default=None, metadata={"help": "Lists of the reference set (see --annotations)."}
    )
    reference_split: int = field(default=1, metadata={"help": "Official split of the reference set (see --split)."})

    def reference(self) -> DatasetArguments | None:
        """Return the reference set as a data set; None if there is none."""
        if self.reference_dataset is None:
            return None
        return DatasetArguments(
            dataset=self.reference_dataset,
            dataset_root=self.reference_root,
            annotations=self.reference_annotations,
            split=self.reference_split,
        )


@dataclass(kw_only=True)
class UnlabelledArguments:
    """Videos; labels are not used."""

    dataset: str = field(
        default="videos",
        metadata={
            "help": "videos (all files below --dataset_root), list (--annotations names them), shards (*.tar, "
            "streamed), or what finetune takes: its training part."
        },
    )
    dataset_root: str | None = field(default=None, metadata={"help": "Folder of the videos."})
    annotations: str | None = field(
        default=None, metadata={"help": "With list: a text file, one path per line; else as for finetune."}
    )
    split: int = field(default=1, metadata={"help": "Official split, of which the training part is used: 1, 2 or 3."})
    validation_fraction: float = field(
        default=0.0, metadata={"help": "Share of the training videos, in whole groups, kept to measure on."}
    )

    def __post_init__(self) -> None:
        """Check the combination of arguments."""
        listed = self.dataset in ("videos", "list", "shards")
        if self.dataset in ("videos", "shards") and self.dataset_root is None:
            raise ValueError(f"`dataset` is {self.dataset}, which needs `dataset_root`, the folder")
        if self.dataset == "list" and self.annotations is None:
            raise ValueError("`dataset` is list, which needs `annotations`, the text file of paths")
        if self.dataset in ("videos", "shards") and self.annotations is not None:
            raise ValueError(
                f"`annotations` is {self.annotations}, but `dataset` {self.dataset} takes all videos below "
                "`dataset_root`; remove it, or set `dataset` to list"
            )
        if listed and (self.validation_fraction or self.split != 1):
            raise ValueError(
                f"`validation_fraction` is {self.validation_fraction:g} and `split` {self.split}, but `dataset` "
                f"{self.dataset} has neither groups nor splits; remove both"
            )

    def load(self, max_missing_fraction: float = 0.05) -> dict[str, datasets.Dataset | datasets.IterableDataset]:
        """Load the parts `train` and, if there is one, `validation`; shards are a stream.

        Raises:
            ValueError: the data set or its files are wrong.
        """
        from pathlib import Path

        from hf_selfdistill.data.datasets import load_video_dataset
        from hf_selfdistill.data.origin import Origin, note_origin
        from hf_selfdistill.data.video_files import find_videos, listed_videos, stream_shards

        root = None if self.dataset_root is None else Path(self.dataset_root).expanduser()
        if self.dataset == "shards":
            return {"train": stream_shards(root or Path())}
        if self.dataset in ("videos", "list"):
            annotations = Path(str(self.annotations)).expanduser()
            listed = self.dataset == "list"
            records = listed_videos(annotations, root, max_missing_fraction) if listed else find_videos(root or Path())
            note_origin(records, Origin(self.dataset, None, "train", root or annotations.parent))
            return {"train": records}
        parts = load_video_dataset(
            self.dataset,
            self.dataset_root,
            self.annotations,
            self.split,
            self.validation_fraction,
            max_missing_fraction=max_missing_fraction,
        )
        return {"train": parts["train"], "validation": parts["validation"]}

    def describe(self) -> str:
        """Describe the videos for the card of an encoder."""
        from pathlib import Path

        folder = f"`{Path(self.dataset_root or '.').resolve().name}`"
        if self.dataset == "videos":
            return f"Every video below {folder}"
        if self.dataset == "list":
            return f"The videos named by `{Path(str(self.annotations)).name}`"
        if self.dataset == "shards":
            return f"The shards in {folder}"
        split = f", split {self.split}" if self.dataset in ("ucf101", "hmdb51") else ""
        return f"The training part of `{self.dataset}`{split}"


TASKS = Literal["classification", "retrieval", "linear_probe", "knn"]


def check_parts(task: str, part: str) -> None:
    """Refuse to measure features on the part that is their gallery.

    Raises:
        ValueError: the part is `"train"`.
    """
    check_choice("part", part, ("test", "validation", "train"))
    if task != "classification" and part == "train":
        raise ValueError(f"`part` is train, but `task` {task} uses it as the gallery; set it to test or validation")
