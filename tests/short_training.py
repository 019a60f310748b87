"""Arguments that all tests of training share: a few steps of gradient descent, every step logged, nothing saved."""

from __future__ import annotations

from typing import Any

SETTINGS: dict[str, Any] = {
    "per_device_train_batch_size": 4,
    "learning_rate": 0.05,
    "optim": "sgd",
    "optim_args": "momentum=0.9",
    "logging_steps": 1,
    "save_strategy": "no",
    "report_to": "none",
    "disable_tqdm": True,
    "use_cpu": True,
}
