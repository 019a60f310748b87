import math

import evaluate
import pytest

from hf_selfdistill.training.multi_clip import METRIC


@pytest.fixture(scope="module")
def metric():
    return evaluate.load(str(METRIC), keep_in_memory=True)


def test_it_loads_by_path_and_counts_the_k_highest_scores(metric):
    scores = [[0.1, 0.7, 0.2], [0.5, 0.3, 0.2]]
    assert metric.compute(predictions=scores, references=[1, 1], k=(1, 2)) == {"top1": 0.5, "top2": 1.0}


def test_batches_add_up(metric):
    metric.add_batch(predictions=[[0.1, 0.9]], references=[1])
    metric.add_batch(predictions=[[0.1, 0.9]], references=[0])
    assert metric.compute(k=(1,)) == {"top1": 0.5}


def test_a_k_above_the_number_of_classes_counts_as_all_of_them(metric):
    assert metric.compute(predictions=[[0.1, 0.9]], references=[0]) == {"top1": 0.0, "top5": 1.0}


def test_the_first_of_equal_scores_is_the_predicted_class(metric):
    scores = [[0.1, 0.5, 0.5, 0.5]] * 4
    assert metric.compute(predictions=scores, references=[0, 1, 2, 3], k=(1, 2, 3)) == {
        "top1": 0.25,
        "top2": 0.5,
        "top3": 0.75,
    }


def test_scores_are_compared_in_double_precision(metric):
    assert metric.compute(predictions=[[0.5, 0.5 + 1e-12]], references=[1], k=(1,)) == {"top1": 1.0}


def test_scores_with_nan_count_as_wrong(metric):
    assert metric.compute(predictions=[[math.nan, math.nan]], references=[0], k=(1, 5)) == {"top1": 0.0, "top5": 0.0}
