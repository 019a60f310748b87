"""Registry of the objectives."""

from __future__ import annotations

from hf_selfdistill.pretraining.motion_appearance import MotionAppearance
from hf_selfdistill.pretraining.objective import Objective
from hf_selfdistill.pretraining.pace import Pace
from hf_selfdistill.pretraining.rspnet import RSPNet
from hf_selfdistill.pretraining.space_time_cubes import SpaceTimeCubes

__all__ = ["OBJECTIVES"]

OBJECTIVES: dict[str, type[Objective]] = {
    objective.name: objective for objective in (RSPNet, Pace, SpaceTimeCubes, MotionAppearance)
}
