"""The runs of one process of a distributed job; `test_distributed.py` starts them and reads what they write.

    python distributed_worker.py single OUT SHARDS [RUN …]
    torchrun --standalone --nproc_per_node 2 distributed_worker.py ddp|fsdp2 OUT SHARDS [RUN …]

Every process writes OUT/rank<n>.json; the first one also writes OUT/weights.pt.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import fsdp_on_cpu
import torch
from accelerate import PartialState
from accelerate.utils import broadcast, gather
from random_clips import RandomClips, without_batch_norm
from shards import read_shards
from short_training import SETTINGS
from torch.distributed.tensor import DTensor
from transformers import Trainer, TrainerCallback, TrainingArguments, set_seed

from hf_selfdistill import C3DConfig, C3DForVideoClassification
from hf_selfdistill.data.callbacks import EpochCallback
from hf_selfdistill.data.clips import collate_clips
from hf_selfdistill.data.sampling import ClipSampler
from hf_selfdistill.data.streaming import StreamedClips
from hf_selfdistill.self_distillation.arguments import SelfDistillationArguments
from hf_selfdistill.self_distillation.trainer import SelfDistillationTrainer

AVERAGED = {"teacher_update": "ema", "teacher_ema_decay": 0.9}
Report = tuple[dict[str, Any], dict[str, torch.Tensor]]


def classifier(batch_norm: bool = True, num_labels: int = 3) -> torch.nn.Module:
    set_seed(0)
    config = C3DConfig(hidden_sizes=[4, 8, 8, 8, 8], num_frames=8, image_size=16, num_labels=num_labels)
    model = C3DForVideoClassification(config)
    if batch_norm:
        return model
    for module in without_batch_norm(model).modules():
        if isinstance(module, torch.nn.Conv3d):
            module.weight.data *= 3.5  # else next to nothing of a clip reaches the head
    return model.double()


@torch.no_grad()
def whole(tensor: torch.Tensor) -> torch.Tensor:
    return (tensor.full_tensor() if isinstance(tensor, DTensor) else tensor).detach().clone()


def state_of(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: whole(value) for name, value in module.state_dict().items()}


def spread(tensors: list[torch.Tensor]) -> float:
    """The largest difference between the processes."""
    values = gather(torch.cat([tensor.double().flatten() for tensor in tensors])[None])
    return (values - values[0]).abs().max().item()


class Watch(TrainerCallback):
    """At each step's begin: the teacher against the student, and the processes against one another."""

    def __init__(self, trainer: SelfDistillationTrainer) -> None:
        self.teacher = trainer.teacher
        self.steps: list[dict[str, Any]] = []
        self.last: dict[str, torch.Tensor] = {}

    def on_step_begin(self, args, state, control, model, **kwargs):
        teacher, student = state_of(self.teacher.encoder), state_of(model)
        buffers = [name for name, _ in self.teacher.encoder.named_buffers()]
        moved = not self.last or any(not torch.equal(teacher[name], self.last[name]) for name in teacher)
        self.last = teacher
        # Asked of every process before any of them decides.
        rank_0s = {name: broadcast(student[name].clone()) for name in teacher}
        self.steps.append(
            {
                "teacher_is_rank_0s_student": all(torch.equal(teacher[name], rank_0s[name]) for name in teacher),
                "teacher_moved": moved,
                "spread_of_teachers": spread(list(teacher.values())),
                "spread_of_students_parameters": spread([v for n, v in student.items() if n not in buffers]),
                "spread_of_students_buffers": spread([student[name] for name in buffers]) if buffers else 0.0,
            }
        )


def run(trainer: SelfDistillationTrainer, resume: str | None = None) -> Report:
    """Train; report what was logged and seen at each step, and return the weights."""
    watch = None
    if trainer.teacher is not None:
        watch = Watch(trainer)
        trainer.add_callback(watch)
    trainer.train(resume_from_checkpoint=resume)
    report = {
        "logs": [log for log in trainer.state.log_history if "ce_loss" in log],
        "steps": watch.steps if watch else [],
        "sharded": sum(isinstance(value, DTensor) for value in trainer.model.parameters()),
        "optimized": sum(len(group["params"]) for group in trainer.optimizer.param_groups),
        "parameters": len(list(trainer.model.parameters())),
    }
    weights = state_of(trainer.model)
    if trainer.teacher is not None:
        report["teacher_sharded"] = any(isinstance(v, DTensor) for v in trainer.teacher.encoder.state_dict().values())
        weights |= {f"teacher.{name}": value for name, value in state_of(trainer.teacher.encoder).items()}
    return report, weights


def normalised(clip: torch.Tensor) -> torch.Tensor:
    return clip / 127.5 - 1 + torch.randn(()) / 10


class Noting(SelfDistillationTrainer):
    """Notes which videos this process trains on: their labels are their numbers."""

    def compute_loss(self, model, inputs, **kwargs):
        self.seen = [*getattr(self, "seen", []), inputs["labels"].tolist()]
        return super().compute_loss(model, inputs, **kwargs)


class Runs:
    """The runs of a launcher.

    Args:
        launcher: "single", "ddp" or "fsdp2".
        out: folder for what the runs save.
        shards: folder of a stream of videos.
    """

    def __init__(self, launcher: str, out: Path, shards: Path) -> None:
        self.launcher, self.out, self.shards = launcher, out, shards
        self.processes = int(os.environ.get("WORLD_SIZE", "1"))
        self.batch = int(os.environ.get("CLIPS_PER_STEP", "4"))  # of all processes together
        self.clips = 3 * self.batch

    def arguments(self, kind: type[TrainingArguments], folder: str, **overrides: Any) -> TrainingArguments:
        settings: dict[str, Any] = {
            **SETTINGS,
            "per_device_train_batch_size": self.batch // self.processes,
            "num_train_epochs": 3,
            "dataloader_drop_last": True,
            "remove_unused_columns": False,
        }
        if self.launcher == "fsdp2":
            settings["fsdp"] = True
        return kind(str(self.out / folder), **{**settings, **overrides})

    def trainer(self, folder: str, model: torch.nn.Module, **overrides: Any) -> SelfDistillationTrainer:
        dataset = RandomClips(self.clips)
        dataset.clips = dataset.clips.to(model.dtype)
        given = self.arguments(SelfDistillationArguments, folder, **{"distill_weight": 1.0, **overrides})
        return SelfDistillationTrainer(model, given, train_dataset=dataset)

    def batch_norm(self) -> Report:
        return run(self.trainer("batch_norm", classifier(), save_strategy="steps", save_steps=1))

    def resumed_within_an_epoch(self) -> Report:
        return run(self.trainer("again", classifier()), str(self.out / "batch_norm" / "checkpoint-4"))

    def ema(self) -> Report:
        return run(self.trainer("ema", classifier(), **AVERAGED, save_strategy="steps", save_steps=1))

    def ema_resumed(self) -> Report:
        return run(self.trainer("again", classifier(), **AVERAGED), str(self.out / "ema" / "checkpoint-3"))

    def without_batch_norm(self) -> Report:
        return run(self.trainer("without_batch_norm", classifier(False), distill_weight=10.0))

    def accumulated(self, **overrides: Any) -> Report:
        each = {"per_device_train_batch_size": 1, "gradient_accumulation_steps": self.batch // self.processes}
        return run(self.trainer("accumulated", classifier(False), **{"distill_weight": 10.0, **each, **overrides}))

    def by_variance(self) -> Report:
        return self.accumulated(distill_scale="variance")

    def by_variance_saved(self) -> Report:
        saved = {"save_strategy": "steps", "save_steps": 2}
        return run(self.trainer("by_variance", classifier(), distill_scale="variance", **saved))

    def by_variance_resumed(self) -> Report:
        own = self.trainer("again", classifier(), distill_scale="variance")
        return run(own, str(self.out / "by_variance" / "checkpoint-4"))

    def without_weight(self) -> Report:
        return run(self.trainer("without_weight", classifier(), distill_weight=0.0))

    def plain_trainer(self) -> Report:
        given = self.arguments(TrainingArguments, "plain_trainer")
        plain = Trainer(classifier(), given, train_dataset=RandomClips(self.clips))
        plain.train()
        return {}, state_of(plain.model)

    def bf16(self) -> Report:
        # Contiguous weights, as under FSDP2: in bfloat16 other formats round otherwise.
        model = classifier().to(memory_format=torch.contiguous_format)
        return run(self.trainer("bf16", model, bf16=True))

    def saved(self) -> Report:
        """An evaluation right after training, and what the first process saved."""
        model = classifier().to(memory_format=torch.channels_last_3d)  # FSDP2 does not shard such weights
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm3d):
                module.momentum = 1.0  # the last batch's statistics: very different ones in each process
        subject = self.trainer("saved", model, per_device_eval_batch_size=2)
        subject.eval_dataset = RandomClips(8)
        subject.train()
        subject.save_model()
        return {"eval_loss": subject.evaluate()["eval_loss"]}, state_of(subject.model)

    def streamed(self) -> Report:
        return self._stream("streamed", save_strategy="steps", save_steps=1)

    def streamed_resumed(self) -> Report:
        return self._stream("again", str(self.out / "streamed" / "checkpoint-4"))

    def _stream(self, folder: str, resume: str | None = None, **overrides: Any) -> Report:
        clips = StreamedClips(read_shards(self.shards), self.clips, ClipSampler(None, 8), normalised)
        given = {"distill_weight": 1.0, "dataloader_num_workers": 1, **overrides}
        subject = Noting(
            classifier(num_labels=self.clips),
            self.arguments(SelfDistillationArguments, folder, **given),
            train_dataset=clips,
            data_collator=collate_clips,
            callbacks=[EpochCallback(clips)],
        )
        report, weights = run(subject, resume)
        return {**report, "seen": subject.seen}, weights


ALL = (
    "batch_norm",
    "resumed_within_an_epoch",
    "ema",
    "ema_resumed",
    "without_batch_norm",
    "accumulated",
    "by_variance",
    "by_variance_saved",
    "by_variance_resumed",
    "without_weight",
    "plain_trainer",
    "bf16",
    "saved",
    "streamed",
    "streamed_resumed",
)


def main(launcher: str, out: str, shards: str, *names: str) -> None:
    if launcher == "fsdp2":
        fsdp_on_cpu.enable()
    runs = Runs(launcher, Path(out), Path(shards))
    report: dict[str, Any] = {}
    weights = {}
    for name in names or ALL:
        report[name], weights[name] = getattr(runs, name)()
    report["processes"] = runs.processes
    report["distributed_type"] = PartialState().distributed_type
    rank = int(os.environ.get("RANK", "0"))
    (runs.out / f"rank{rank}.json").write_text(json.dumps(report))
    if rank == 0:
        torch.save(weights, runs.out / "weights.pt")


if __name__ == "__main__":
    main(*sys.argv[1:])
