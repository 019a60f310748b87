import numpy as np

from hf_selfdistill.evaluation.forgetting_figures import drift_figure, forgetting_figure


def test_intervals_before_and_after_are_drawn_in_percent():
    before = {"knn_top1": {"value": 0.7, "low": 0.6, "high": 0.75}}
    after = {"knn_top1": {"value": 0.5, "low": 0.4, "high": 0.55}}
    axes = forgetting_figure(before, after).axes[0]
    ends = [container.lines[2][0].get_segments()[0][:, 0] for container in axes.containers]
    np.testing.assert_allclose(ends, [[60, 75], [40, 55]])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["nearest neighbours"]
    assert [container.get_label() for container in axes.containers] == ["before fine-tuning", "after fine-tuning"]


STEM = {"value": 0.99, "low": None, "high": None}  # of a single group
LAST = {"value": 0.5, "low": 0.4, "high": 0.6}


def test_the_first_layer_is_on_top():
    axes = drift_figure([{"name": "stem", "cka": STEM}, {"name": "last", "cka": LAST}]).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["stem", "last"]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]
    assert [text.get_text() for text in axes.texts] == ["0.99", "0.50"]


def test_the_interval_of_a_layer_is_drawn_where_it_is_known():
    axes = drift_figure([{"name": "stem", "cka": STEM}, {"name": "last", "cka": LAST}]).axes[0]
    values, interval = axes.collections
    assert [segment[:, 0].tolist() for segment in values.get_segments()] == [[0, 0.99], [0, 0.5]]
    np.testing.assert_allclose(interval.get_segments(), [[[0.4, 1], [0.6, 1]]])
