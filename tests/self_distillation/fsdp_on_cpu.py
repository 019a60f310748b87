"""For tests only: lets Accelerate take its FSDP2 path on processors, where it would quietly fall back to DDP."""

from __future__ import annotations

from typing import Any

from accelerate import state
from accelerate.utils import DistributedType


def enable() -> None:
    """Accelerate enters that path from one kind of distributed run only: call it that kind, gloo or not."""
    original = state.AcceleratorState.__init__

    def with_gpu_path(self: state.AcceleratorState, *args: Any, **kwargs: Any) -> None:
        shared = state.PartialState._shared_state
        if shared.get("distributed_type") == DistributedType.MULTI_CPU:
            shared["distributed_type"] = DistributedType.MULTI_GPU
        original(self, *args, **kwargs)

    state.AcceleratorState.__init__ = with_gpu_path
