"""What a test of a model is told, whatever the task."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Optional

__all__ = ["OF_DATA", "OF_DEVICE", "TestArguments"]

OF_DATA = ("dataset", "dataset_root", "annotations", "max_unreadable")
OF_DEVICE = ("per_device_eval_batch_size", "dataloader_num_workers", "bf16", "use_cpu")
"""Flags of a training run that its test takes over, whatever the split."""


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
            "help": "Test the classifier, its frozen encoder's features, what they lost, how soon it comes back."
        },
    )
    num_clips: int = field(default=10, metadata={"help": "Evenly spaced clips per video; 1 is the centre."})
    part: Literal["test", "validation", "train"] = field(default="test", metadata={"help": "Part of the data set."})
    output_file: str = field(default="evaluation.json", metadata={"help": "Where the results go."})
    baseline_file: Optional[str] = field(  # noqa: UP045 - HfArgumentParser's form
        default=None, metadata={"help": "Results of the model with λ = 0, to stand beside them in the model card."}
    )
