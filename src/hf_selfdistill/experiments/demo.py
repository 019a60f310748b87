"""Demo of both stages on generated videos, with and without self-distillation."""

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
    """Pre-train on unlabelled motions, fine-tune on other motions with and without self-distillation, print a table.

    Args:
        folder: folder of the videos, models and results.
        distill_weight: λ of the run with self-distillation.
        videos_per_class: number of videos per motion.
        num_pretrain_epochs: number of epochs of RSPNet.
        num_train_epochs: number of epochs of each fine-tuning.
        seed: seed of the videos and the runs.

    Raises:
        ValueError: the recipes are not in the working directory.
    """
    if not STAGE_ONE.is_file():
        raise ValueError(f"{STAGE_ONE} is missing; run the demo in the project's folder")
    start = time.monotonic()
    unlabelled, labelled, encoder = (folder / name for name in ("videos/pretraining", "videos/finetuning", "encoder"))
    write_moving_shapes(unlabelled, PRETRAINING_MOTIONS, videos_per_class, seed=seed)
    write_moving_shapes(labelled, FINETUNING_MOTIONS, videos_per_class, seed=seed)
    shared: dict[str, Any] = {"seed": seed, "overwrite_output_dir": True}
    values = {"dataset_root": str(unlabelled), "output_dir": str(encoder), "num_train_epochs": num_pretrain_epochs}
    pretrain(PretrainConfig.from_recipe(yaml.safe_load(STAGE_ONE.read_text()) | shared | values))
    rows: list[tuple[float, dict[str, Any], Path]] = []
    for weight in (0.0, distill_weight):
        model = folder / f"lambda-{weight:g}"
        own = {"dataset_root": str(labelled), "output_dir": str(model), "distill_weight": weight}
        own |= {"model_name_or_path": str(encoder), "num_train_epochs": num_train_epochs}
        finetune(FinetuneConfig.from_dict(yaml.safe_load(STAGE_TWO.read_text()) | shared | own))
        tested = evaluate(
            EvaluateConfig(
                model_name_or_path=str(model),
                dataset="moving_shapes",
                dataset_root=str(labelled),
                output_file=str(model / RESULTS),
                baseline_file=str(rows[0][2] / RESULTS) if rows else None,
            )
        )
        rows.append((weight, tested.values, model))
    _report(rows, labelled, time.monotonic() - start)


def _report(rows: Sequence[tuple[float, dict[str, float], Path]], videos: Path, seconds: float) -> None:
    tqdm.write(f"\n{'λ':>5}  {'video top-1':>11}  {'clip top-1':>10}  model")
    for weight, results, model in rows:
        tqdm.write(f"{weight:5g}  {results['video_top1']:11.1%}  {results['clip_top1']:10.1%}  {model}")
    tqdm.write(
        f"\n{rows[0][1]['num_videos']:g} test videos, 10 clips each; chance is {1 / len(FINETUNING_MOTIONS):.1%}. One "
        f"seed: a difference of a few videos is noise.\nTotal time: {seconds:.0f} s. Next: python scripts/predict.py "
        f"--model_name_or_path {rows[-1][2]} {videos}/*/*.avi"
    )
