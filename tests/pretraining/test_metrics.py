import pytest
import torch
from accelerate import Accelerator

from hf_selfdistill.pretraining.metrics import MetricMeans

NAN = float("nan")


def test_means_are_over_the_videos_of_all_batches_that_say_something():
    metrics, accelerator = MetricMeans(), Accelerator(cpu=True)
    metrics.add({"a": torch.tensor([1.0, 0.0]), "b": torch.tensor([NAN, 3.0])})
    metrics.add({"a": torch.tensor([1.0]), "b": torch.tensor([NAN])})
    assert metrics.pop(accelerator) == {"a": pytest.approx(2 / 3), "b": 3.0}


def test_what_was_logged_does_not_count_again_and_nothing_gives_nothing():
    metrics, accelerator = MetricMeans(), Accelerator(cpu=True)
    assert metrics.pop(accelerator) == {}
    metrics.add({"a": torch.tensor([1.0]), "b": torch.tensor([NAN])})
    assert metrics.pop(accelerator) == {"a": 1.0}
    metrics.add({"a": torch.tensor([0.0])})
    assert metrics.pop(accelerator) == {"a": 0.0}
