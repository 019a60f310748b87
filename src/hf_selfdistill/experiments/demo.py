"""The paper's two stages in minutes, on videos written for the purpose, with self-distillation and without it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from hf_selfdistill.cli.parser import CommandParser, as_flags, start_logging, user_errors
from hf_selfdistill.commands import evaluate_model, finetune, pretrain
from hf_selfdistill.commands.run_files import RESULTS
from hf_selfdistill.data.moving_shapes import FINETUNING_MOTIONS, PRETRAINING_MOTIONS, write_moving_shapes

__all__ = ["DemoArguments", "main"]

STAGE_ONE, STAGE_TWO = Path("configs/pretraining/moving_shapes.yaml"), Path("configs/moving_shapes.yaml")


@dataclass
class DemoArguments:
    """Demo."""

    output_dir: str = field(default="demo", metadata={"help": "Where the videos, models and results go."})
    distill_weight: float = field(default=10.0, metadata={"help": "λ of the run with self-distillation."})
    videos_per_class: int = field(default=24, metadata={"help": "How many videos of each motion are written."})
    num_pretrain_epochs: int = field(default=40, metadata={"help": "Epochs of RSPNet, without labels."})
    num_train_epochs: int = field(default=12, metadata={"help": "Epochs of each of the two fine-tunings."})
    seed: int = field(default=0, metadata={"help": "Seed of the videos and of the runs."})


def main(argv: Sequence[str] | None = None) -> None:
    """The command behind `make demo`."""
    parser = CommandParser(
        DemoArguments, description="Pre-train, fine-tune with and without self-distillation, compare."
    )
    with user_errors():
        (args,) = parser.parse(argv)
        if not STAGE_ONE.is_file():
            raise ValueError(f"{STAGE_ONE} is not here; start the demo in the project's folder")
        start_logging()
        run(args)


def run(args: DemoArguments) -> None:
    """Write the videos; RSPNet on some motions without labels; fine-tune on others with λ = 0 and λ; test; report."""
    start, folder = time.monotonic(), Path(args.output_dir)
    for part, motions in (("pretraining", PRETRAINING_MOTIONS), ("finetuning", FINETUNING_MOTIONS)):
        write_moving_shapes(folder / "videos" / part, motions, args.videos_per_class, seed=args.seed)
    encoder = _pretrain(args, folder)
    rows: list[tuple[float, dict[str, float], Path]] = []
    for weight in (0.0, args.distill_weight):
        model = _finetune(args, encoder, weight, folder / f"lambda-{weight:g}")
        baseline = rows[0][2] / RESULTS if rows else None
        rows.append((weight, _test(folder / "videos" / "finetuning", model, baseline), model))
    _report(rows, time.monotonic() - start)


def _pretrain(args: DemoArguments, folder: Path) -> Path:
    flags = {
        "config": STAGE_ONE,
        "dataset_root": folder / "videos" / "pretraining",
        "output_dir": folder / "encoder",
        "num_train_epochs": args.num_pretrain_epochs,
        "seed": args.seed,
    }
    _run(pretrain.main, "pretrain", flags)
    return folder / "encoder"


def _finetune(args: DemoArguments, encoder: Path, distill_weight: float, output_dir: Path) -> Path:
    flags = {
        "config": STAGE_TWO,
        "model_name_or_path": encoder,
        "dataset_root": Path(args.output_dir) / "videos" / "finetuning",
        "output_dir": output_dir,
        "distill_weight": f"{distill_weight:g}",
        "num_train_epochs": args.num_train_epochs,
        "seed": args.seed,
    }
    _run(finetune.main, "finetune", flags)
    return output_dir


def _test(videos: Path, model: Path, baseline: Path | None) -> dict[str, float]:
    results = model / RESULTS
    flags = {
        "model_name_or_path": model,
        "dataset": "moving_shapes",
        "dataset_root": videos,
        "num_clips": 10,
        "output_file": results,
    }
    if baseline is not None:
        flags["baseline_file"] = baseline
    _run(evaluate_model.main, "evaluate_model", flags)
    return json.loads(results.read_text())


def _run(command: Callable[[Sequence[str]], None], name: str, flags: dict[str, object]) -> None:
    words = as_flags(flags)
    tqdm.write(f"\n$ python scripts/{name}.py {' '.join(words)}")
    command(words)


def _report(rows: Sequence[tuple[float, dict[str, float], Path]], seconds: float) -> None:
    tqdm.write(f"\n{'λ':>5}  {'video top-1':>11}  {'clip top-1':>10}  model")
    for weight, results, model in rows:
        tqdm.write(f"{weight:5g}  {results['video_top1']:11.1%}  {results['clip_top1']:10.1%}  {model}")
    videos = int(rows[0][1]["num_videos"])
    tqdm.write(
        f"\n{videos} test videos, 10 clips each, chance {1 / len(FINETUNING_MOTIONS):.1%}; one seed, so a few videos "
        f"more or less are chance.\n{seconds:.0f} s in all. Try: python scripts/predict.py --model_name_or_path "
        f"{rows[-1][2]} {rows[-1][2].parent}/videos/finetuning/*/*.avi"
    )
