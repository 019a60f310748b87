"""Which checkpoint a run resumes from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HTTPError
from transformers import AutoConfig, PreTrainedConfig, TrainerState, TrainingArguments
from transformers.trainer import TRAINER_STATE_NAME

from hf_selfdistill.commands.run_files import ALL_RESULTS
from hf_selfdistill.commands.training import warn_of_overwriting

if TYPE_CHECKING:
    from peft import LoraConfig

__all__ = ["checkpoint_to_resume", "last_checkpoint", "settle_checkpoint"]

ON_THE_HUB = "last-checkpoint"  # what the Trainer calls it with `hub_strategy="checkpoint"`


def settle_checkpoint(args: TrainingArguments, config: PreTrainedConfig, adapters: LoraConfig | None = None) -> None:
    """Have the arguments name the checkpoint to go on from, if one is asked for, and warn where a run is overwritten.

    Raises:
        ValueError: there is no such checkpoint, it does not fit the model, or an interrupted run would be lost.
    """
    args.resume_from_checkpoint = checkpoint_to_resume(
        args.resume_from_checkpoint, args.output_dir, config, adapters, args.hub_token
    )
    _check_best_checkpoint(args)
    warn_of_overwriting(args)


def checkpoint_to_resume(
    given: str | None,
    output_dir: str | None,
    config: PreTrainedConfig,
    adapters: LoraConfig | None = None,
    token: str | None = None,
) -> str | None:
    """The folder that `--resume_from_checkpoint` means: a path, `true` for the last whole one of the output folder, or
    `user/model` on the Hub, whose `last-checkpoint` is downloaded (of `user/model/checkpoint-10` that one).

    The Trainer writes its state last, so a checkpoint that a crash cut short has none.

    Args:
        given: the flag; `false` begins anew where a run was interrupted.
        output_dir: where the run saves its checkpoints.
        config: of the model that is to be trained.
        adapters: that it has, None without.
        token: for the Hub.

    Raises:
        ValueError: there is no whole checkpoint, or it is of another architecture or of other adapters; or nothing is
            asked for, and the output folder holds an interrupted run, which would be lost.
    """
    if given is None:
        _refuse_to_lose_a_run(Path(output_dir or "."))
    if given is None or given.lower() == "false":
        return None
    checkpoint = _find(given, Path(output_dir or "."), token)
    if _adapters_of(checkpoint) != (adapters and (adapters.r, set(adapters.target_modules or ()))):
        raise ValueError(
            f"--resume_from_checkpoint {checkpoint} was trained with another --lora_rank or --lora_target_modules, or "
            "on another model; give those that it was trained with"
        )
    if adapters is None:  # which have no config.json
        _check_same_model(checkpoint, config)
    return str(checkpoint)


def _find(given: str, output_dir: Path, token: str | None) -> Path:
    """The whole checkpoint that the flag means."""
    if given.lower() == "true":
        last = last_checkpoint(output_dir)
        if last is None:
            raise ValueError(
                f"--resume_from_checkpoint true: {output_dir} holds no whole checkpoint-* folder; leave the flag "
                "out to begin anew"
            )
        return last
    checkpoint = Path(given)
    if given.count("/") in (1, 2) and not checkpoint.is_absolute() and not checkpoint.exists():
        checkpoint = _from_the_hub(given, token)
    if not _is_whole(checkpoint):
        raise ValueError(
            f"--resume_from_checkpoint {given}: no whole checkpoint, as {given}/{TRAINER_STATE_NAME} is missing "
            "or was cut short; name a checkpoint-* folder, or set true for the last one of --output_dir"
        )
    return checkpoint


def _refuse_to_lose_a_run(output_dir: Path) -> None:
    last = last_checkpoint(output_dir)
    if last is not None and not (output_dir / ALL_RESULTS).is_file():
        raise ValueError(
            f"--output_dir {output_dir} holds a run that was interrupted after {last.name}; set "
            "--resume_from_checkpoint true to go on with it, or false to begin anew, which overwrites it"
        )


def last_checkpoint(output_dir: Path) -> Path | None:
    """The last whole checkpoint in the output folder of a run, None where there is none."""
    whole = [folder for folder in output_dir.glob("checkpoint-*") if _is_whole(folder)]
    return max(whole, key=lambda folder: int(folder.name.split("-")[-1]), default=None)


def _check_best_checkpoint(args: TrainingArguments) -> None:
    """Refuse to resume where the checkpoint that was best so far, to be loaded at the end, is on another machine.

    Raises:
        ValueError: it says which one it is.
    """
    if args.resume_from_checkpoint is None or not args.load_best_model_at_end:
        return
    best = TrainerState.load_from_json(
        str(Path(args.resume_from_checkpoint) / TRAINER_STATE_NAME)
    ).best_model_checkpoint
    if best is not None and not Path(best).is_dir():
        raise ValueError(
            f"--load_best_model_at_end: the best checkpoint so far, {best}, is not here; copy it there, or set "
            "--load_best_model_at_end false"
        )


def _from_the_hub(given: str, token: str | None) -> Path:
    """The checkpoint that `user/model`, or `user/model/checkpoint-10`, names, downloaded."""
    user, model, *rest = given.split("/")
    name, folder = f"{user}/{model}", rest[0] if rest else ON_THE_HUB
    try:
        repository = snapshot_download(name, allow_patterns=f"{folder}/*", token=token)
    except (HTTPError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(
            f"--resume_from_checkpoint {given} is no folder, and not to be had from the Hub ({reason})"
        ) from None
    checkpoint = Path(repository) / folder
    if not checkpoint.is_dir():
        raise ValueError(
            f"--resume_from_checkpoint {given}: {name} has no {folder} on the Hub; a run with --push_to_hub "
            "--hub_strategy checkpoint uploads one"
        )
    return checkpoint


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
