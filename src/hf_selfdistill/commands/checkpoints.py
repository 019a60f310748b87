"""Which checkpoint a run resumes from."""

from __future__ import annotations

from pathlib import Path

from transformers import AutoConfig, PreTrainedConfig
from transformers.trainer import TRAINER_STATE_NAME

__all__ = ["checkpoint_to_resume"]


def checkpoint_to_resume(given: str | None, output_dir: str | None, config: PreTrainedConfig) -> str | None:
    """The folder that `--resume_from_checkpoint` means: a path, or `true` for the last whole one of the output folder.

    The Trainer writes its state last, so a checkpoint that a crash cut short has none.

    Args:
        given: the flag.
        output_dir: where the run saves its checkpoints.
        config: of the model that is to be trained.

    Raises:
        ValueError: there is no whole checkpoint, or it is of another architecture.
    """
    if given is None or given.lower() == "false":
        return None
    if given.lower() == "true":
        whole = [state.parent for state in Path(output_dir or ".").glob(f"checkpoint-*/{TRAINER_STATE_NAME}")]
        if not whole:
            raise ValueError(f"--resume_from_checkpoint true: {output_dir} holds no whole checkpoint-* folder")
        checkpoint = max(whole, key=lambda folder: int(folder.name.split("-")[-1]))
    else:
        checkpoint = Path(given)
        if not (checkpoint / TRAINER_STATE_NAME).is_file():
            raise ValueError(f"--resume_from_checkpoint {given}: no whole checkpoint (it has no {TRAINER_STATE_NAME})")
    saved = AutoConfig.from_pretrained(checkpoint)
    if saved.model_type != config.model_type:
        raise ValueError(
            f"--resume_from_checkpoint {checkpoint} holds a {saved.model_type}, but the model of this run is a "
            f"{config.model_type}; give the model that the checkpoint was trained from"
        )
    return str(checkpoint)
