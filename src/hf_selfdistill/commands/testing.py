"""What a test of a model is told, whatever the task."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Optional

from transformers import TrainingArguments

from hf_selfdistill.commands.datasets import DatasetArguments, SamplingArguments
from hf_selfdistill.commands.run_files import RESULTS
from hf_selfdistill.models.loading import FROM_SCRATCH

__all__ = [
    "FEATURE_TASKS",
    "Evaluation",
    "EvaluationArguments",
    "FeatureArguments",
    "ForgettingArguments",
    "TestArguments",
    "flags_of_data",
    "flags_of_device",
]

FEATURE_TASKS = ("retrieval", "linear_probe", "knn")


@dataclass
class TestArguments:
    """Test."""

    __test__ = False  # no test for pytest to collect

    model_name_or_path: str = field(
        metadata={"help": "A folder, or a name on the Hub; for features also c3d or r2plus1d (random weights)."}
    )
    task: Literal["classification", "retrieval", "linear_probe", "knn", "forgetting", "relearning"] = field(
        default="classification",
        metadata={
            "help": "Test the classifier, its frozen encoder's features (retrieval, linear_probe, knn), what they "
            "lost (forgetting, with --before), or how soon that comes back (relearning, with --before):"
        },
    )
    num_clips: int = field(default=10, metadata={"help": "Evenly spaced clips per video; 1 is the centre."})
    part: Literal["test", "validation", "train"] = field(default="test", metadata={"help": "Part of the data set."})
    output_file: str = field(default=RESULTS, metadata={"help": "Where the results go."})
    baseline_file: Optional[str] = field(  # noqa: UP045 - HfArgumentParser's form
        default=None, metadata={"help": "Results of the model with λ = 0, to stand beside them in the model card."}
    )


@dataclass
class FeatureArguments:
    """Features of a frozen encoder (--task retrieval, linear_probe, knn)."""

    retrieval_protocol: Literal["rspnet", "vcop"] = field(
        default="rspnet", metadata={"help": "Pooled features of the model's own clips, or as VCOP retrieves:"}
    )
    config_overrides: Optional[str] = field(  # noqa: UP045 - HfArgumentParser's form
        default=None,
        metadata={"help": "With --model_name_or_path c3d or r2plus1d, random weights: image_size=48,num_frames=8."},
    )


@dataclass
class ForgettingArguments:
    """What was forgotten (--task forgetting, relearning) of a reference set (--dataset videos: one without labels)."""

    before: Optional[str] = field(  # noqa: UP045 - HfArgumentParser's form
        default=None, metadata={"help": "The encoder before fine-tuning: a folder, or a name on the Hub."}
    )


@dataclass
class EvaluationArguments(TrainingArguments):
    """TrainingArguments of a test, of which these two are for relearning alone."""

    num_train_epochs: float = field(
        default=20, metadata={"help": "With --task relearning alone: epochs that an encoder has, at most."}
    )
    learning_rate: float = field(
        default=1e-3, metadata={"help": "With --task relearning alone: the rate, constant, that encoders learn at."}
    )


class Evaluation(NamedTuple):
    """What is asked for: the arguments of the command."""

    test: TestArguments
    features: FeatureArguments
    forgetting: ForgettingArguments
    data: DatasetArguments
    sampling: SamplingArguments
    training: EvaluationArguments

    def check(self) -> None:
        """See that the flags go together.

        Raises:
            ValueError: two do not.
        """
        test, features, before = self.test, self.features, self.forgetting.before
        if test.task != "classification" and test.part == "train":
            raise ValueError(
                f"--part train, but --task {test.task} takes those as its gallery; use --part test or validation"
            )
        if test.task not in FEATURE_TASKS and features != FeatureArguments():
            raise ValueError("--retrieval_protocol and --config_overrides go with --task retrieval, linear_probe, knn")
        if features.retrieval_protocol == "vcop" and test.task != "retrieval":
            raise ValueError(f"--retrieval_protocol vcop goes with --task retrieval, not with {test.task}")
        if test.task in ("forgetting", "relearning") and (before is None or before in FROM_SCRATCH):
            given = "is missing" if before is None else f"{before} is a net with random weights"
            raise ValueError(
                f"--before {given}: --task {test.task} compares with the encoder that fine-tuning began from; give "
                "its folder, or its name on the Hub"
            )
        if test.task not in ("forgetting", "relearning") and before is not None:
            raise ValueError(f"--before goes with --task forgetting or relearning; --task is {test.task}")
        if self.training.n_gpu > 1:
            raise ValueError(
                f"one process sees {self.training.n_gpu} GPUs, between which a video's clips can't be split; start "
                "with `accelerate launch` for all of them, or set CUDA_VISIBLE_DEVICES=0 for one"
            )


def flags_of_data(data: DatasetArguments) -> dict[str, Any]:
    """What the test of a run takes over of its data set, whatever the split."""
    return {name: getattr(data, name) for name in ("dataset", "dataset_root", "annotations", "max_unreadable")}


def flags_of_device(args: TrainingArguments) -> dict[str, Any]:
    """What a run that belongs to another one takes over: where and how fast it computes."""
    names = ("per_device_eval_batch_size", "dataloader_num_workers", "bf16", "use_cpu")
    return {name: getattr(args, name) for name in names}
