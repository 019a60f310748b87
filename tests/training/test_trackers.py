"""What a run shows in a tracker, under the names that docs/own_videos.md gives."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from transformers.integrations.integration_utils import rewrite_logs

from hf_selfdistill.cli import finetune
from hf_selfdistill.training.trackers import AlikeMLflowCallback

GUIDE = Path(__file__).parents[2] / "docs" / "own_videos.md"


def documented_names() -> dict[str, str]:
    """What the Trainer calls a figure → what trackers do."""
    section = GUIDE.read_text().partition("## Experiment tracking")[2].partition("\n## ")[0]
    shown = re.findall(r"`((?:train|eval)/\w+)`", section)
    return {name.removeprefix("train/").replace("eval/", "eval_"): name for name in shown}


def test_the_guide_gives_names_as_transformers_rewrites_them():
    names = documented_names()
    assert {"loss", "ce_loss", "distill_loss", "eval_loss", "eval_video_top1"} <= names.keys()
    assert rewrite_logs({name: name for name in names}) == {shown: name for name, shown in names.items()}


def test_mlflow_shows_the_same_names():
    seen = {}
    client = SimpleNamespace(log_metrics=lambda metrics, step: seen.update(metrics))
    callback = AlikeMLflowCallback.__new__(AlikeMLflowCallback)  # made without the package
    vars(callback).update(_initialized=True, _async_log=False, _ml_flow=client, _auto_end_run=False)
    state = SimpleNamespace(is_world_process_zero=True, global_step=3)
    names = documented_names()
    callback.on_log(None, state, None, {name: float(number) for number, name in enumerate(names)}, model=None)
    assert seen == {shown: float(number) for number, shown in enumerate(names.values())}


def test_tensorboard_shows_what_the_guide_promises_as_the_trainer_logged_it(shapes, tiny_flags, fine_tuned, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    flags = {"eval_strategy": "epoch", "logging_steps": 2, "report_to": "tensorboard"}
    flags |= {"model_name_or_path": fine_tuned, "config_overrides": None}
    finetune.main(tiny_flags(shapes, tmp_path / "run", **flags))
    (folder,) = (tmp_path / "run" / "runs").iterdir()
    events = EventAccumulator(str(folder))
    events.Reload()
    log = json.loads((tmp_path / "run" / "trainer_state.json").read_text())["log_history"]
    for name, shown in documented_names().items():
        logged = {entry["step"]: entry[name] for entry in log if name in entry}
        seen = {event.step: event.value for event in events.Scalars(shown)}
        assert seen == pytest.approx(logged) and len(logged) > 1


def test_a_tracker_that_is_not_installed_is_named_before_training(shapes, tiny_flags, tmp_path):
    with pytest.raises(SystemExit, match="--report_to clearml is not installed; install that package"):
        finetune.main(tiny_flags(shapes, tmp_path / "run", report_to="clearml"))
    assert not (tmp_path / "run").exists()
