"""What the runs of the paper cost: GPU hours and disk.

Given by RSPNet's authors (issue 1 of its repository), wall-clock: 200 epochs of Kinetics-400 took C3D 150 h on four
V100 and R(2+1)D 187 h on six. The paper says nothing of its own hours, so those of fine-tuning are estimates. Work is
counted in forward passes of a clip, a backward pass as two:

    pre-training, per video: a clip forward and backward, two keys forward       5
    fine-tuning, per clip: forward and backward, with λ > 0 the teacher forward  3 or 4
    evaluation, per clip                                                         1

A pass then took C3D 600 GPU hours / (240,000 videos · 200 epochs · 5) = 9.0 ms of a V100 and R(2+1)D 1,122 GPU hours
/ (the same) = 16.8 ms, decoding included. Against it stand the other two times that they gave, of fine-tuning C3D on
the TITAN Xp: UCF101, 30 epochs, 0.52 h on four GPUs are 7.4 ms per pass, HMDB51, 100 epochs, 2.27 h on two are 13.2
ms. So an estimate may be wrong by half. Later GPUs and half precision are faster. Nothing here was measured by us.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hf_selfdistill.commands.job import Job

__all__ = ["Step", "finetuning_hours", "plan_table", "pretraining_hours", "stored_gigabytes", "wall_hours"]

RSPNET_HOURS = {"c3d": (150, 4), "r2plus1d": (187, 6)}  # wall-clock, V100s
RSPNET_PASSES = 240_000 * 200 * 5
PRETRAINING, FINETUNING, TEACHER = 5, 3, 1  # passes per video or clip


@dataclass(frozen=True)
class Step:
    """A job, and what it needs.

    Args:
        job: its folder and commands.
        says: what it does, in a few words.
        hours: of one V100.
        gigabytes: at most, on the disk.
    """

    job: Job
    says: str
    hours: float
    gigabytes: float


def pass_hours(model_type: str) -> float:
    """V100 hours of one clip forward, from the authors' time of pre-training."""
    hours, gpus = RSPNET_HOURS[model_type]
    return hours * gpus / RSPNET_PASSES


def pretraining_hours(model_type: str, videos: int, epochs: float) -> float:
    """V100 hours of stage one."""
    return pass_hours(model_type) * PRETRAINING * videos * epochs


def finetuning_hours(
    model_type: str, with_teacher: bool, videos: tuple[int, int, int], epochs: float, test_clips: int
) -> float:
    """V100 hours of a fine-tuning that looks at validation and test after each epoch, and of its tests.

    Args:
        model_type: `c3d` or `r2plus1d`.
        with_teacher: λ > 0.
        videos: for training, validation and test.
        epochs: of the training.
        test_clips: per test video, over all tests afterwards.
    """
    train, validation, test = videos
    per_epoch = train * (FINETUNING + TEACHER * with_teacher) + validation + test
    return pass_hours(model_type) * (per_epoch * epochs + test * test_clips)


def stored_gigabytes(parameters: int, models: int, copies_per_checkpoint: int, checkpoints: int) -> float:
    """Disk that models and checkpoints take in single precision; while one is saved there is one more than is kept.

    Args:
        parameters: of the encoder; heads and buffers do not count.
        models: kept besides the checkpoints.
        copies_per_checkpoint: the weights, the momentum, the teacher or the keys' encoder.
        checkpoints: that are kept; 0 where none is saved.
    """
    saved = checkpoints + 1 if checkpoints else 0
    return 4 * parameters * (models + copies_per_checkpoint * saved) / 1e9


def wall_hours(hours: Sequence[float], devices: int, each_on_all: bool) -> float:
    """Wall time of jobs one after the other on all devices, or one at a time on each, as if devices lost nothing."""
    if each_on_all or not hours:
        return sum(hours) / devices
    free = [0.0] * devices
    for job in hours:
        free[free.index(min(free))] += job
    return max(free)


def plan_table(steps: Sequence[Step]) -> str:
    """The jobs as Markdown, with the sum of what is still to do."""
    todo = [step for step in steps if not step.job.is_finished]
    rows = [["job", "what", "V100 hours", "GB", ""], ["---", "---", "---:", "---:", "---"]]
    for step in steps:
        name = "/".join(step.job.folder.parts[-2:])
        state = "done" if step.job.is_finished else "to do"
        rows.append([name, step.says, f"{step.hours:.1f}", f"{step.gigabytes:.1f}", state])
    hours, gigabytes = sum(step.hours for step in todo), sum(step.gigabytes for step in todo)
    rows.append([f"{len(todo)} to do", "", f"{hours:,.1f}", f"{gigabytes:.1f}", ""])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
