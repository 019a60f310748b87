"""The paper's two stages in minutes, on generated videos, with and without self-distillation."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from tqdm import tqdm

from hf_selfdistill.data.moving_shapes import FINETUNING_MOTIONS, PRETRAINING_MOTIONS, write_moving_shapes
from hf_selfdistill.experiments.grid import RESULTS
from hf_selfdistill.runs.configs import EvaluateConfig, FinetuneConfig, PretrainConfig
from hf_selfdistill.runs.evaluate import evaluate
from hf_selfdistill.runs.finetune import finetune
from hf_selfdistill.runs.pretrain import pretrain

__all__ = ["demo"]

STAGE_ONE, STAGE_TWO = Path("configs/pretraining/moving_shapes.yaml"), Path("configs/moving_shapes.yaml")


def demo(
    folder: Path,
    distill_weight: float = 10.0,
    videos_per_class: int = 24,
    num_pretrain_epochs: int = 40,
    num_train_epochs: int = 12,
    seed: int = 0,
) -> None:
    """Pre-train RSPNet on some motions without labels, fine-tune on others with λ = 0 and λ, test, and print a table.

    Raises:
        ValueError: the recipes are missing.
    """
    if not STAGE_ONE.is_file():
        raise ValueError(f"{STAGE_ONE} is missing; start the demo in the project's folder")
    start, videos = time.monotonic(), folder / "videos"
    for part, motions in (("pretraining", PRETRAINING_MOTIONS), ("finetuning", FINETUNING_MOTIONS)):
        write_moving_shapes(videos / part, motions, videos_per_class, seed=seed)
    values: dict[str, Any] = {"dataset_root": str(videos / "pretraining"), "output_dir": str(folder / "encoder")}
    values |= {"seed": seed}
    pretrain(
        PretrainConfig.from_recipe(
            {**yaml.safe_load(STAGE_ONE.read_text()), **values, "num_train_epochs": num_pretrain_epochs}
        )
    )
    rows: list[tuple[float, dict[str, Any], Path]] = []
    for weight in (0.0, distill_weight):
        model = folder / f"lambda-{weight:g}"
        values = {"dataset_root": str(videos / "finetuning"), "output_dir": str(model), "seed": seed}
        values |= {"model_name_or_path": str(folder / "encoder"), "distill_weight": weight}
        values |= {"num_train_epochs": num_train_epochs}
        finetune(FinetuneConfig.from_dict({**yaml.safe_load(STAGE_TWO.read_text()), **values}))
        tested = evaluate(
            EvaluateConfig(
                model_name_or_path=str(model),
                dataset="moving_shapes",
                dataset_root=str(videos / "finetuning"),
                output_file=str(model / RESULTS),
                baseline_file=str(rows[0][2] / RESULTS) if rows else None,
            )
        )
        rows.append((weight, tested.values, model))
    _report(rows, time.monotonic() - start)


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
