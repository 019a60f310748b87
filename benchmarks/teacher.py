"""The teacher: its forward pass, its refresh, and memory.

python benchmarks/teacher.py

The forward passes are compared with the eager pass of the student in training mode, without a graph. A refresh is
compared with the reference-model sync of TRL (`SyncRefModelCallback`). Peak memory is that of a process that does
training steps with or without the teacher.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile

import torch
from accelerate import Accelerator
from interleaved import measure, peer, print_machine, print_table
from training_step import ENCODERS, make_step

from hf_selfdistill.self_distillation.teacher import Teacher


def peak(encoder: str, subject: str, clips: int) -> float:
    """Return the peak memory of training steps in another process, in MB."""
    command = [sys.executable, __file__, "--encoder", encoder, "--peak", subject, "--clips", str(clips)]
    return float(subprocess.check_output(command, text=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", default="c3d", choices=list(ENCODERS))
    parser.add_argument("--clips", type=int, default=2)
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--peak", help=argparse.SUPPRESS)
    args = parser.parse_args()
    clips = torch.randn(args.clips, 16, 3, args.size, args.size)
    if args.peak:
        with tempfile.TemporaryDirectory() as folder:
            step = make_step(
                args.encoder, args.peak, folder, {"pixel_values": clips, "labels": torch.arange(args.clips)}
            )
            step(), step()
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return
    print_machine()
    model_class, config_class, settings = ENCODERS[args.encoder]
    student = model_class(config_class(num_labels=101, **settings)).train()
    teachers = {norm: Teacher(student, norm) for norm in ("batch", "running")}
    subjects = {
        "student": torch.no_grad()(lambda: student(clips)),
        "forward, norm batch": lambda: teachers["batch"](pixel_values=clips),
        "forward, norm running": lambda: teachers["running"](pixel_values=clips),
        "refresh, norm batch": lambda: teachers["batch"].copy_from(student),
        "refresh, norm running": lambda: teachers["running"].copy_from(student),
    }
    peers = {"student": ["forward, norm batch", "forward, norm running"]}
    callbacks = peer("trl.trainer.callbacks")
    if callbacks is not None:
        Accelerator(cpu=True)  # TRL asks its state for DeepSpeed
        copy = model_class(student.config)
        subjects["TRL's sync"] = lambda: callbacks.SyncRefModelCallback.sync_target_model(student, copy, 1.0)
        peers["TRL's sync"] = ["refresh, norm batch", "refresh, norm running"]
    ms = measure(subjects, args.rounds)
    rows = [(ours, ms[ours], theirs, ms[theirs]) for theirs, mine in peers.items() for ours in mine]
    title = f"{args.encoder}, {args.clips} clips of 16×{args.size}×{args.size}, {torch.get_num_threads()} threads"
    print_table(title, rows)
    plain = peak(args.encoder, "cross-entropy", args.clips)
    kinds = ("SD, norm batch", "SD, norm running")
    print_table(
        "peak memory", [(kind, peak(args.encoder, kind, args.clips), "cross-entropy", plain) for kind in kinds], "MB"
    )


if __name__ == "__main__":
    main()
