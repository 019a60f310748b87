"""The configs of evaluations. Nothing heavy is imported here: `--help` loads this module."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from hf_selfdistill.runs.arguments import DatasetArguments, check_parts
from hf_selfdistill.runs.config import RunConfig
from hf_selfdistill.training.arguments import VideoTrainingArguments, check_positive

__all__ = ["FROM_SCRATCH", "EvaluateConfig", "ForgettingConfig", "PredictConfig"]

FROM_SCRATCH = ("c3d", "r2plus1d")


@dataclass(kw_only=True)
class TestArguments:
    """Test."""

    __test__ = False  # no test for pytest to collect

    model_name_or_path: str = field(
        metadata={"help": "A folder, or a name on the Hub; for features also c3d or r2plus1d (random weights)."}
    )
    num_clips: int = field(default=10, metadata={"help": "Evenly spaced clips per video; 1 is the centre."})
    part: Literal["test", "validation", "train"] = field(default="test", metadata={"help": "Part of the data set."})

    def __post_init__(self) -> None:
        """Check the number of clips, and that one process sees one GPU."""
        check_positive("num_clips", self.num_clips)
        if self.n_gpu > 1:  # type: ignore[attr-defined]
            raise ValueError(
                f"one process sees {self.n_gpu} GPUs, between which a video's clips can't be split; start "  # type: ignore[attr-defined]
                "with `accelerate launch` for all of them, or set CUDA_VISIBLE_DEVICES=0 for one"
            )


@dataclass(kw_only=True, eq=False)
class EvaluateConfig(RunConfig, TestArguments, DatasetArguments, VideoTrainingArguments):
    """Test of a classifier, or of the features of a frozen encoder.

    Args:
        task: `"classification"`, `"retrieval"`, `"linear_probe"` or `"knn"`.
        output_file: JSON file of the results; by default they are only returned and recorded.
        baseline_file: results of the model with λ = 0, which the model card shows beside these.
        retrieval_protocol: `"rspnet"` (pooled features of the model's own clips) or `"vcop"`.
        config_overrides: settings of a network with random weights.
    """

    places = ("dataset_root", "annotations", "baseline_file")
    models = ("model_name_or_path",)

    task: Literal["classification", "retrieval", "linear_probe", "knn"] = field(
        default="classification",
        metadata={
            "help": "Test the classifier, or its frozen encoder's features (retrieval, linear_probe, knn); forgetting "
            "and relearning compare with --before:"
        },
    )
    output_file: str | None = field(default=None, metadata={"help": "JSON file of the results."})
    baseline_file: str | None = field(
        default=None, metadata={"help": "Results of the model with λ = 0, shown beside these in the model card."}
    )
    retrieval_protocol: Literal["rspnet", "vcop"] = field(
        default="rspnet", metadata={"help": "Pooled features of the model's own clips, or as VCOP retrieves:"}
    )
    config_overrides: str | None = field(
        default=None,
        metadata={"help": "With --model_name_or_path c3d or r2plus1d, random weights: image_size=48,num_frames=8."},
    )
    output_dir: str | None = field(default="", metadata={"help": "Not used."})
    per_device_eval_batch_size: int = field(default=4, metadata={"help": "Videos per process and batch."})

    def __post_init__(self) -> None:
        """Check the groups of fields and their combination."""
        VideoTrainingArguments.__post_init__(self)
        TestArguments.__post_init__(self)
        check_parts(self.task, self.part)
        if self.retrieval_protocol == "vcop" and self.task != "retrieval":
            raise ValueError(f"`retrieval_protocol` vcop needs `task` retrieval, not {self.task}")
        if self.config_overrides and self.task == "classification":
            raise ValueError("`config_overrides` needs `task` retrieval, linear_probe or knn")
        self.dataloader_drop_last = False

    def model_hashes(self) -> dict[str, str]:
        """Return the hash of the model."""
        from hf_selfdistill.runs.inputs import hashes_of_models

        return hashes_of_models(model=self.model_name_or_path)

    def data_hashes(self, parts: Mapping[str, Any] | None = None) -> dict[str, str]:
        """Return the hashes of the parts that the task reads."""
        from hf_selfdistill.runs.inputs import hashes_of_parts

        parts = self.load(self.max_unreadable) if parts is None else parts
        return hashes_of_parts({self.part: parts[self.part]} if self.task == "classification" else parts)


@dataclass(kw_only=True, eq=False)
class ForgettingConfig(RunConfig, TestArguments, DatasetArguments, VideoTrainingArguments):
    """Comparison of an encoder before and after fine-tuning, on a reference set.

    Args:
        task: `"forgetting"` (loss of the frozen features) or `"relearning"` (training that recovers it).
        before: the encoder before fine-tuning: a folder, or a name on the Hub.
        output_file: JSON file of the results; a table and a figure of the same name are written beside it.
    """

    places = ("dataset_root", "annotations")
    models = ("model_name_or_path", "before")

    task: Literal["forgetting", "relearning"] = field(
        default="forgetting", metadata={"help": "Measure what the features lost, or the training that recovers it:"}
    )
    before: str = field(
        default="", metadata={"help": "The encoder before fine-tuning: a folder, or a name on the Hub (required)."}
    )
    output_file: str | None = field(default=None, metadata={"help": "JSON file of the results."})
    num_train_epochs: float = field(
        default=20, metadata={"help": "With --task relearning: largest number of epochs of an encoder."}
    )
    learning_rate: float = field(
        default=1e-3, metadata={"help": "With --task relearning: the constant learning rate."}
    )
    output_dir: str | None = field(default="", metadata={"help": "Not used."})
    per_device_eval_batch_size: int = field(default=4, metadata={"help": "Videos per process and batch."})

    def __post_init__(self) -> None:
        """Check the groups of fields and their combination."""
        VideoTrainingArguments.__post_init__(self)
        TestArguments.__post_init__(self)
        check_parts(self.task, self.part)
        if self.before in ("", *FROM_SCRATCH):
            given = f"{self.before}, which has random weights" if self.before else "missing"
            raise ValueError(
                f"`before` is {given}; `task` {self.task} compares with the encoder that fine-tuning began from: give "
                "its folder, or its name on the Hub"
            )
        if self.output_file is not None and Path(self.output_file).suffix != ".json":
            raise ValueError(
                f"`output_file` is {self.output_file}, but a table and a figure of the same name are written beside "
                f"the results; give a name that ends in .json, such as {Path(self.output_file).with_suffix('.json')}"
            )
        self.dataloader_drop_last = False

    def model_hashes(self) -> dict[str, str]:
        """Return the hashes of both models."""
        from hf_selfdistill.runs.inputs import hashes_of_models

        return hashes_of_models(model=self.model_name_or_path, before=self.before)

    def data_hashes(self, parts: Mapping[str, Any] | None = None) -> dict[str, str]:
        """Return the hash of the reference set."""
        from hf_selfdistill.data.video_files import find_videos
        from hf_selfdistill.runs.inputs import hash_of_data

        if parts is None:
            files = self.dataset == "videos"
            parts = {"test": find_videos(Path(str(self.dataset_root)))} if files else self.load(self.max_unreadable)
        return {"reference": hash_of_data(parts)}


@dataclass(kw_only=True, eq=False)
class PredictConfig(RunConfig):
    """Classification of video files.

    Args:
        model_name_or_path: a fine-tuned model: a folder, or a name on the Hub.
        videos: video files, and folders of them.
        top_k: number of classes per video.
        num_clips: evenly spaced clips per video, whose logits are averaged.
        batch_size: videos that go through the model at once, all clips of each.
        num_workers: number of processes that read videos.
        explain: folder for a picture and a GIF per video, which show where its class was seen (Grad-CAM).
        frame_stride: take every n-th frame; by default as the model was trained.
        target_fps: draw clips at this frame rate; by default as the model was trained.
    """

    task = "predict"
    places = ("explain",)

    model_name_or_path: str = field(metadata={"help": "A fine-tuned model: a folder, or a name on the Hub."})
    videos: list[str] = field(default_factory=list, metadata={"help": "Video files, and folders of them."})
    top_k: int = field(default=5, metadata={"help": "Number of classes per video."})
    num_clips: int = field(default=10, metadata={"help": "Evenly spaced clips per video, their logits averaged."})
    batch_size: int = field(default=4, metadata={"help": "Videos that go through the model at once, all clips each."})
    num_workers: int = field(default=0, metadata={"help": "Number of processes that read videos."})
    explain: str | None = field(
        default=None,
        metadata={"help": "Folder for a picture and a GIF per video of where its class was seen (Grad-CAM)."},
    )
    frame_stride: int | None = field(
        default=None, metadata={"help": "Take every n-th frame; by default as the model was trained, else 1."}
    )
    target_fps: float | None = field(
        default=None,
        metadata={"help": "Draw clips at this frame rate; by default as the model was trained, else the video's own."},
    )

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name in ("top_k", "num_clips", "batch_size", "frame_stride", "target_fps"):
            check_positive(name, getattr(self, name))
        if self.num_workers < 0:
            raise ValueError(f"`num_workers` is {self.num_workers}; it must be at least 0")
