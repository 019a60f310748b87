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


def test_the_first_layer_is_on_top():
    axes = drift_figure([{"name": "stem", "cka": 0.99}, {"name": "last", "cka": 0.5}]).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["stem", "last"]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]
    assert [text.get_text() for text in axes.texts] == ["0.99", "0.50"]
