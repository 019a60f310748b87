"""The runs of one process of a distributed job; `test_distributed.py` starts them and reads OUT/rank<n>.pt."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from accelerate.utils import gather
from brightness import Brightness, Clips, arguments, state_of, tiny_encoder, tiny_processor
from torch import Tensor
from transformers import TrainerCallback

from hf_selfdistill.data.callbacks import EpochCallback, UnreadableVideosCallback
from hf_selfdistill.data.unlabelled import StreamedUnlabelledClips, UnlabelledClips
from hf_selfdistill.data.video_files import find_videos, stream_shards
from hf_selfdistill.pretraining.batch_shuffle import on_shuffled_batch
from hf_selfdistill.pretraining.objective_arguments import RSPNetArguments
from hf_selfdistill.pretraining.rspnet import RSPNet
from hf_selfdistill.pretraining.trainer import PretrainingTrainer


def shuffled(rank: int) -> dict[str, Any]:
    """Clips 0 … 5 on the first process and 6 … 11 on the second, whose statistics are those of whom they meet."""
    clips = torch.arange(6.0) + 6 * rank
    met: list[Tensor] = []

    def function(clips: Tensor) -> tuple[Tensor, Tensor]:
        met.append(clips)
        return clips * 10, clips.mean().expand(len(clips), 2).clone()

    tenfold, means = on_shuffled_batch(function, clips.requires_grad_())
    return {
        "met": met[0].tolist(),
        "tenfold": tenfold.tolist(),
        "means": means[:, 0].tolist(),
        "shape": list(means.shape),
        "has_graph": tenfold.requires_grad,
        "gathered": gather(clips.detach()).tolist(),
    }


class Queues(TrainerCallback):
    """Queue and key encoder at each step's end."""

    def __init__(self, objective: RSPNet) -> None:
        self.objective, self.queues, self.keys = objective, list[Tensor](), list[Tensor]()

    def on_step_end(self, args, state, control, **kwargs):
        self.queues.append(self.objective.queue.clone())
        self.keys.append(torch.cat([p.flatten() for p in self.objective.key_encoder.parameters()]))


class Meetings:
    """Of each step, by the first frames of their windows: this process's videos, and those normalised here as keys."""

    def __init__(self, objective: RSPNet) -> None:
        self.own: list[list[float]] = []
        self.normalised: list[list[float]] = []
        objective.register_forward_pre_hook(self._note_own, with_kwargs=True)
        objective.key_encoder.register_forward_pre_hook(self._note_normalised, with_kwargs=True)

    def _note_own(self, module, args, kwargs):
        self.own.append(kwargs["key_frames"][:, 0].flatten(1)[:, :9].sum(1).tolist())

    def _note_normalised(self, module, args, kwargs):
        self.normalised.append(kwargs["pixel_values"][:, 0].flatten(1)[:, :9].sum(1).tolist())


def contrast(folder: Path, videos: Path, batch: int, resume: str | None = None) -> dict[str, Any]:
    """RSPNet on videos, one of which can't be read and one of which is short."""
    torch.manual_seed(0)
    objective = RSPNet(tiny_encoder(), RSPNetArguments(embedding_size=6, queue_size=14, key_momentum=0.9))
    clips = UnlabelledClips(find_videos(videos), objective.views(tiny_processor()))
    meetings = Meetings(objective)
    watch, unreadable = Queues(objective), UnreadableVideosCallback(clips, most=0.2)
    trainer = PretrainingTrainer(
        objective,
        arguments(folder, per_device_train_batch_size=batch, save_strategy="steps", save_steps=1),
        train_dataset=clips,
        processing_class=tiny_processor(),
        callbacks=[EpochCallback(clips), watch, unreadable],
    )
    trainer.train(resume_from_checkpoint=resume)
    return {
        "state": state_of(trainer.model),
        "queues": watch.queues,
        "keys": watch.keys,
        "own": meetings.own,
        "normalised": meetings.normalised,
        "here": clips.unreadable_indices(),
        "short_here": clips.short_indices(),
        "unreadable": unreadable.failures(),
        "logs": [log for log in trainer.state.log_history if "speed_loss" in log],
    }


def brightness(folder: Path, **settings: Any) -> dict[str, Any]:
    """A ViViT, whose batches can be cut in any way, at a learning rate meant for 8 videos."""
    trainer = PretrainingTrainer(
        Brightness(tiny_encoder("vivit")),
        arguments(folder, **{"learning_rate_batch_size": 8, "logging_steps": 3, **settings}),
        train_dataset=Clips(12, "vivit"),
        eval_dataset=Clips(8, "vivit"),
        processing_class=tiny_processor(),
    )
    trainer.train()
    return {
        "state": state_of(trainer.model),
        "logs": [log for log in trainer.state.log_history if "error" in log],
        "evaluated": trainer.evaluate(),
        "evaluated_unevenly": trainer.evaluate(Clips(7, "vivit")),
    }


def streamed(folder: Path, shards: Path, batch: int) -> dict[str, Any]:
    """Names of the videos that this process trained on."""
    objective = Brightness(tiny_encoder())
    clips = StreamedUnlabelledClips(stream_shards(shards), 8, objective.views(tiny_processor()))
    seen: list[str] = []
    draw = clips.views.__class__.__call__

    class Noting(clips.views.__class__):
        def __call__(self, reader, video):
            seen.append(video)
            return draw(self, reader, video)

    clips.views.__class__ = Noting
    trainer = PretrainingTrainer(
        objective,
        arguments(folder, per_device_train_batch_size=batch, num_train_epochs=1),
        train_dataset=clips,
        processing_class=tiny_processor(),
        callbacks=[EpochCallback(clips)],
    )
    trainer.train()
    return {"seen": seen, "steps": trainer.state.global_step, "clips": int(objective.videos_seen)}


def main(out: Path, videos: Path, shards: Path) -> None:
    processes, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    batch = 4 // processes
    each = {"per_device_train_batch_size": 1, "gradient_accumulation_steps": batch}
    report = {
        "contrast": contrast(out / "contrast", videos, batch),
        "resumed": contrast(out / "again", videos, batch, str(out / "contrast" / "checkpoint-4")),
        "brightness": brightness(out / "brightness", per_device_train_batch_size=batch),
        "accumulated": brightness(out / "brightness", **each),
        "checkpointed": brightness(out / "brightness", per_device_train_batch_size=batch, gradient_checkpointing=True),
        "streamed": streamed(out / "streamed", shards, batch),
        "shuffled": shuffled(rank),
        "processes": processes,
        "distributed_type": str(PartialState().distributed_type),
    }
    torch.save(report, out / f"rank{rank}.pt")
