"""What a test of a model is told, whatever the task."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, Optional

from transformers import TrainingArguments

from hf_selfdistill.commands.datasets import DatasetArguments

__all__ = ["FORGETTING", "RESULTS", "TestArguments", "flags_of_data", "flags_of_device"]

RESULTS = "evaluation.json"
"""Results of a classification, in the folder of the model."""

FORGETTING = "forgetting.json"
"""What the model forgot, beside them."""


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


def flags_of_data(data: DatasetArguments) -> dict[str, Any]:
    """What the test of a run takes over of its data set, whatever the split."""
    return {name: getattr(data, name) for name in ("dataset", "dataset_root", "annotations", "max_unreadable")}


def flags_of_device(args: TrainingArguments) -> dict[str, Any]:
    """What a run that belongs to another one takes over: where and how fast it computes."""
    names = ("per_device_eval_batch_size", "dataloader_num_workers", "bf16", "use_cpu")
    return {name: getattr(args, name) for name in names}
