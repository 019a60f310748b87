"""Checkpoints to resume from, and checks that a resumed run fits the original run."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HTTPError
from transformers import PreTrainedConfig, TrainerState
from transformers.trainer import TRAINER_STATE_NAME

from hf_selfdistill.models.untrusted import load_config
from hf_selfdistill.training.manifest import check_manifest
from hf_selfdistill.training.record import RECORD, RunRecord

if TYPE_CHECKING:
    from peft import LoraConfig

    from hf_selfdistill.training.arguments import VideoTrainingArguments

__all__ = [
    "ALL_RESULTS",
    "changed_parameters",
    "check_same_data",
    "checkpoint_to_resume",
    "find_checkpoint",
    "last_checkpoint",
    "warn_of_overwriting",
    "was_interrupted",
]

logger = logging.getLogger(__name__)

ALL_RESULTS = "all_results.json"
ON_THE_HUB = "last-checkpoint"  # name that the Trainer gives to the folder with `hub_strategy="checkpoint"`
DECIDED = {
    *("adam_beta1", "adam_beta2", "adam_epsilon", "data_seed", "learning_rate", "learning_rate_batch_size", "optim"),
    *("optim_args", "seed", "teacher_update", "weight_decay"),
}
"""Parameters that a resumed run keeps: the optimizer's state holds them, or the order of the clips follows them."""

WRITTEN = ("*.safetensors", "config.json", "README.md", ALL_RESULTS, "trainer_state.json", "checkpoint-*")
"""Files that a run overwrites or deletes in its output folder."""


def checkpoint_to_resume(
    args: VideoTrainingArguments, config: PreTrainedConfig, adapters: LoraConfig | None = None
) -> str | None:
    """Return the folder that `resume_from_checkpoint` means, None to begin a run.

    Args:
        args: arguments of the training; `resume_from_checkpoint` is a folder, `true` for the last whole checkpoint of
            the output folder, `false` to start over after an interruption, or `user/model` on the Hub. Its
            `last-checkpoint` is downloaded; `user/model/checkpoint-10` names another one. `overwrite_output_dir`
            starts over whatever the output folder holds.
        config: configuration of the model that is trained.
        adapters: configuration of the LoRA adapters; None without adapters.

    Raises:
        ValueError: there is no whole checkpoint, it has another architecture or other adapters, the best checkpoint is
            missing, or a finished model or an interrupted run in the output folder would be lost.
    """
    given, output_dir = args.resume_from_checkpoint, Path(str(args.output_dir))
    if given is None and not args.overwrite_output_dir and was_interrupted(output_dir):
        given = "true"
        logger.info("`output_dir` %s holds a run that a signal ended; it is continued", output_dir)
    if given is None or given.lower() == "false":
        if not args.overwrite_output_dir:
            _refuse_to_lose_a_run(output_dir, given is None)
        warn_of_overwriting(output_dir)
        return None
    checkpoint = find_checkpoint(given, output_dir, args.hub_token)
    if _adapters_of(checkpoint) != (adapters and (adapters.r, set(adapters.target_modules or ()))):
        raise ValueError(
            f"`resume_from_checkpoint` {checkpoint} was trained with another `lora_rank` or other "
            "`lora_target_modules`, or on another model; give those of the checkpoint"
        )
    if adapters is None:  # checkpoints of adapters have no config.json
        _check_same_model(checkpoint, config)
    if args.load_best_model_at_end:
        _check_best_checkpoint(checkpoint)
    return str(checkpoint)


def was_interrupted(output_dir: Path) -> bool:
    """Return whether a signal ended the run in a folder, after a checkpoint was written."""
    record = RunRecord.load(output_dir)
    return record is not None and record.status == "interrupted" and last_checkpoint(output_dir) is not None


def find_checkpoint(given: str, output_dir: Path, token: str | None = None) -> Path:
    """Return the whole checkpoint that `resume_from_checkpoint` means.

    The Trainer writes its state last, so a checkpoint that a crash cut short has none.

    Raises:
        ValueError: there is no whole checkpoint, or its files differ from its manifest.
    """
    if given.lower() == "true":
        last = last_checkpoint(output_dir)
        if last is None:
            raise ValueError(
                f"`resume_from_checkpoint` is true, but {output_dir} holds no whole checkpoint-* folder, with a whole "
                f"{TRAINER_STATE_NAME}; omit it to begin a run"
            )
        check_manifest(last)
        return last
    checkpoint = Path(given)
    names_a_checkpoint = checkpoint.name.startswith("checkpoint-")
    if given.count("/") == 1 + names_a_checkpoint and not Path(checkpoint.parts[0]).exists():
        checkpoint = _from_the_hub(given, token)
    if not _is_whole(checkpoint):
        raise ValueError(
            f"`resume_from_checkpoint` {given} is not a whole checkpoint: {given}/{TRAINER_STATE_NAME} is missing or "
            "was cut short; give a checkpoint-* folder, or true for the last one of `output_dir`"
        )
    check_manifest(checkpoint)
    return checkpoint


def last_checkpoint(output_dir: Path) -> Path | None:
    """Return the last whole checkpoint in the output folder of a run, None if there is none."""
    numbered = [folder for folder in output_dir.glob("checkpoint-*") if folder.name.split("-", 1)[1].isdigit()]
    whole = [folder for folder in numbered if _is_whole(folder)]
    return max(whole, key=lambda folder: int(folder.name.split("-")[1]), default=None)


def warn_of_overwriting(folder: Path) -> None:
    """Warn about the files of a finished run that a new run overwrites."""
    if not (folder / ALL_RESULTS).is_file():
        return
    names = ", ".join(file.name for pattern in WRITTEN for file in sorted(folder.glob(pattern)))
    logger.warning("`output_dir` %s holds a finished run; this run overwrites %s", folder, names)
    record = RunRecord.load(folder)
    if record is not None and (measured := sorted({result.task for result in record.results})):
        logger.warning("These results are from the previous run and are now stale: %s", ", ".join(measured))


def check_same_data(before: RunRecord, now: RunRecord) -> None:
    """Refuse to resume a run on other videos than it began with.

    Raises:
        ValueError: the hash of an input differs, or a part is missing.
    """
    for part in ("train", "validation", "test"):
        old, new = before.inputs.get(part), now.inputs.get(part)
        if old is not None and old != new:
            found = "is missing" if new is None else f"has {new.videos} videos, SHA-256 {new.sha256:.8}"
            raise ValueError(
                f"`resume_from_checkpoint`: the run began with {old.videos} videos for {part}, SHA-256 "
                f"{old.sha256:.8}, but now the {part} part {found}; resume with the same videos, or begin a new run "
                "in another `output_dir`"
            )


def changed_parameters(before: RunRecord, now: RunRecord, step: int) -> list[dict[str, Any]]:
    """Return the parameters that a resumed run changes from a step on, with both values; None is the default.

    Raises:
        ValueError: a parameter has no effect on a resumed run, or would make it another run.
    """
    changes = []
    for name in sorted(
        {*before.config, *now.config} - {"resume_from_checkpoint", "output_dir", "overwrite_output_dir"}
    ):
        old, new = before.config.get(name), now.config.get(name)
        if old != new and name in DECIDED:
            raise ValueError(
                f"`{name}` is {_or_default(new)}, but the run began with {_or_default(old)}, which its checkpoints "
                f"keep: another `{name}` has no effect on a resumed run; give the old one, or begin a new run in "
                "another `output_dir`"
            )
        if old != new:
            values = _or_default(old), _or_default(new)
            logger.warning("The run is resumed with another `%s`: it was %s, now it is %s", name, *values)
            changes.append({"step": step, "parameter": name, "before": old, "after": new})
    return changes


def _or_default(value: Any) -> str:
    return "its default" if value is None else str(value)


def _refuse_to_lose_a_run(output_dir: Path, interrupted_too: bool) -> None:
    record, last = RunRecord.load(output_dir), last_checkpoint(output_dir)
    has_weights = any(any(output_dir.glob(pattern)) for pattern in ("model*.safetensors", "pytorch_model*.bin"))
    if has_weights and (record is None or record.status == "finished"):
        raise ValueError(
            f"`output_dir` {output_dir} holds a finished model; name another folder, or set `overwrite_output_dir` to "
            "replace the model"
        )
    if interrupted_too and last is not None and not (output_dir / ALL_RESULTS).is_file():
        raise ValueError(
            f"`output_dir` {output_dir} holds a run that was interrupted after {last.name}; set "
            "`resume_from_checkpoint` true to continue it, or false to start over, which overwrites it"
        )


def _check_best_checkpoint(checkpoint: Path) -> None:
    best = TrainerState.load_from_json(str(checkpoint / TRAINER_STATE_NAME)).best_model_checkpoint
    if best is not None and not Path(best).is_dir():
        raise ValueError(
            f"`load_best_model_at_end` is set, but the best checkpoint so far, {best}, is missing; copy it there, or "
            "set `load_best_model_at_end` false"
        )


def _from_the_hub(given: str, token: str | None) -> Path:
    """Download the checkpoint that `user/model`, or `user/model/checkpoint-10`, names."""
    user, model, *rest = given.split("/")
    name, folder = f"{user}/{model}", rest[0] if rest else ON_THE_HUB
    try:
        repository = snapshot_download(name, allow_patterns=[f"{folder}/*", RECORD], token=token)
    except (HTTPError, OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(
            f"`resume_from_checkpoint` {given} is not a folder, and it can't be downloaded from the Hub ({reason})"
        ) from None
    checkpoint = Path(repository) / folder
    if not checkpoint.is_dir():
        raise ValueError(
            f"`resume_from_checkpoint` {given}: {name} has no {folder} on the Hub; a run with `push_to_hub` and "
            "`hub_strategy` checkpoint uploads one"
        )
    return checkpoint


def _is_whole(checkpoint: Path) -> bool:
    try:
        TrainerState.load_from_json(str(checkpoint / TRAINER_STATE_NAME))
    except (OSError, RecursionError, TypeError, ValueError):
        return False
    return True


def _check_same_model(checkpoint: Path, config: PreTrainedConfig) -> None:
    saved = load_config(str(checkpoint)).to_dict()
    mine = config.to_dict()
    for name in ("model_type", "hidden_sizes", "hidden_size", "id2label"):
        if saved.get(name) != mine.get(name):
            raise ValueError(
                f"`resume_from_checkpoint` {checkpoint} has the {name} {saved.get(name)}, but the model of this run "
                f"has {mine.get(name)}; resume with the model and the classes of the checkpoint"
            )


def _adapters_of(checkpoint: Path) -> tuple[int, set[str]] | None:
    """Return rank and layers of the adapters that a checkpoint holds."""
    file = checkpoint / "adapter_config.json"
    if not file.is_file():
        return None
    saved: dict[str, Any] = json.loads(file.read_text())
    return saved["r"], set(saved["target_modules"])
