"""Which checkpoint a run resumes from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from transformers import AutoConfig, PreTrainedConfig
from transformers.trainer import TRAINER_STATE_NAME

if TYPE_CHECKING:
    from peft import LoraConfig

__all__ = ["checkpoint_to_resume", "last_checkpoint"]


def checkpoint_to_resume(
    given: str | None, output_dir: str | None, config: PreTrainedConfig, adapters: LoraConfig | None = None
) -> str | None:
    """The folder that `--resume_from_checkpoint` means: a path, or `true` for the last whole one of the output folder.

    The Trainer writes its state last, so a checkpoint that a crash cut short has none.

    Args:
        given: the flag.
        output_dir: where the run saves its checkpoints.
        config: of the model that is to be trained.
        adapters: that it has, None without.

    Raises:
        ValueError: there is no whole checkpoint, or it is of another architecture or of other adapters.
    """
    if given is None or given.lower() == "false":
        return None
    if given.lower() == "true":
        last = last_checkpoint(Path(output_dir or "."))
        if last is None:
            raise ValueError(f"--resume_from_checkpoint true: {output_dir} holds no whole checkpoint-* folder")
        checkpoint = last
    else:
        checkpoint = Path(given)
        if not _is_whole(checkpoint):
            raise ValueError(f"--resume_from_checkpoint {given}: no whole checkpoint, its {TRAINER_STATE_NAME} is not")
    if _adapters_of(checkpoint) != (adapters and (adapters.r, set(adapters.target_modules or ()))):
        raise ValueError(
            f"--resume_from_checkpoint {checkpoint} was trained with another --lora_rank or --lora_target_modules, or "
            "on another model; give those that it was trained with"
        )
    if adapters is not None:
        return str(checkpoint)  # which has no config.json
    _check_same_model(checkpoint, config)
    return str(checkpoint)


def last_checkpoint(output_dir: Path) -> Path | None:
    """The last whole checkpoint in the output folder of a run, None where there is none."""
    whole = [folder for folder in output_dir.glob("checkpoint-*") if _is_whole(folder)]
    return max(whole, key=lambda folder: int(folder.name.split("-")[-1]), default=None)


def _is_whole(checkpoint: Path) -> bool:
    try:
        json.loads((checkpoint / TRAINER_STATE_NAME).read_text())
    except (OSError, ValueError):
        return False
    return True


def _check_same_model(checkpoint: Path, config: PreTrainedConfig) -> None:
    saved, mine = AutoConfig.from_pretrained(checkpoint).to_dict(), config.to_dict()
    for name in ("model_type", "hidden_sizes", "hidden_size", "id2label"):
        if saved.get(name) != mine.get(name):
            raise ValueError(
                f"--resume_from_checkpoint {checkpoint} has the {name} {saved.get(name)}, but the model of this run "
                f"{mine.get(name)}; resume with the model and the classes that the checkpoint was trained with"
            )


def _adapters_of(checkpoint: Path) -> tuple[int, set[str]] | None:
    """Rank and layers of the adapters that a checkpoint holds."""
    file = checkpoint / "adapter_config.json"
    if not file.is_file():
        return None
    saved = json.loads(file.read_text())
    return saved["r"], set(saved["target_modules"])
