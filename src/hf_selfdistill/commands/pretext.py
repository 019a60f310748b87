"""How well an encoder still does what it was pre-trained to do."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import datasets
from safetensors import safe_open
from transformers import BaseVideoProcessor, PreTrainedModel, TrainingArguments

from hf_selfdistill.commands.pretrain import OBJECTIVES
from hf_selfdistill.commands.testing import flags_of_device
from hf_selfdistill.data.unlabelled import UnlabelledClips
from hf_selfdistill.pretraining.arguments import PretrainingArguments
from hf_selfdistill.pretraining.objective import OBJECTIVE_NAME
from hf_selfdistill.pretraining.trainer import PretrainingTrainer

__all__ = ["pretext_metrics"]


def pretext_metrics(
    folder: str,
    encoders: dict[str, PreTrainedModel],
    processor: BaseVideoProcessor,
    records: datasets.Dataset,
    args: TrainingArguments,
) -> dict[str, Any] | None:
    """The objective's own metrics of each encoder, under the heads that lie beside the pre-trained one.

    All encoders get the same samples of each video.

    Args:
        folder: of the pre-trained encoder.
        encoders: by name; heads too, which are left out.
        processor: of the pre-trained encoder.
        records: videos.
        args: devices and batch size.

    Returns:
        The objective's `name` and the metrics of each encoder by its name; None where there are no heads.

    Raises:
        ValueError: the heads do not fit the encoder.
    """
    file = Path(folder) / OBJECTIVE_NAME
    if not file.is_file():
        return None
    with safe_open(file, "pt") as saved:
        about = saved.metadata()
    kind = OBJECTIVES[about["objective"]]
    objective_args = kind.Arguments(**json.loads(about["arguments"]))
    found: dict[str, Any] = {"name": kind.name}
    for name, model in encoders.items():
        objective = kind(copy.deepcopy(model.base_model).requires_grad_(True), objective_args)
        clips = UnlabelledClips(records, objective.views(processor), seed=0)
        trainer = PretrainingTrainer(objective, _arguments(args), eval_dataset=clips, processing_class=processor)
        objective.load(folder)
        metrics = trainer.evaluate()
        found[name] = {key.removeprefix("eval_"): value for key, value in metrics.items() if _is_of_objective(key)}
    return found


def _arguments(args: TrainingArguments) -> PretrainingArguments:
    return PretrainingArguments(
        args.output_dir,
        per_device_train_batch_size=args.per_device_eval_batch_size,
        disable_tqdm=args.disable_tqdm,
        report_to="none",
        **flags_of_device(args),
    )


def _is_of_objective(key: str) -> bool:
    return not key.endswith(("_loss", "_runtime", "_per_second", "_time", "epoch"))
