"""What a run shows in a tracker, under the names that docs/own_videos.md gives."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from transformers.integrations.integration_utils import rewrite_logs

from hf_selfdistill.commands import finetune

GUIDE = Path(__file__).parents[2] / "docs" / "own_videos.md"


def documented_names() -> dict[str, str]:
    """What the Trainer and MLflow call a figure → what the other trackers do."""
    section = GUIDE.read_text().partition("## Experiment tracking")[2].partition("\n## ")[0]
    rows = [line.split("|")[2:4] for line in section.splitlines() if line.startswith("|")]
    shown, logged = ([name for row in rows for name in re.findall(r"`([\w/]+)`", row[column])] for column in (0, 1))
    return dict(zip(logged, shown, strict=True))


def test_the_guide_gives_names_as_transformers_rewrites_them():
    names = documented_names()
    assert {"loss", "ce_loss", "distill_loss", "eval_loss", "eval_video_top1"} <= names.keys()
    assert rewrite_logs({name: name for name in names}) == {shown: name for name, shown in names.items()}


def test_tensorboard_shows_what_the_guide_promises_as_the_trainer_logged_it(shapes, tiny_flags, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    flags = {"eval_strategy": "epoch", "logging_steps": 2, "report_to": "tensorboard"}
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
    with pytest.raises(SystemExit, match="--report_to clearml: install that package, or leave the flag out"):
        finetune.main(tiny_flags(shapes, tmp_path / "run", report_to="clearml"))
    assert not (tmp_path / "run").exists()
