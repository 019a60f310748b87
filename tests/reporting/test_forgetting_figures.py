import numpy as np
import pytest

from hf_selfdistill.reporting.forgetting_figures import drift_figure, forgetting_figure


def test_intervals_before_and_after_are_drawn_in_percent():
    before = {"knn_top1": {"value": 0.7, "low": 0.6, "high": 0.75}}
    after = {"knn_top1": {"value": 0.5, "low": 0.4, "high": 0.55}}
    axes = forgetting_figure(before, after, 0.25).axes[0]
    ends = [container.lines[2][0].get_segments()[0][:, 0] for container in axes.containers]
    np.testing.assert_allclose(ends, [[60, 75], [40, 55]])
    assert [list(line.get_xdata()) for line in axes.get_lines() if line.get_label() == "chance"] == [[25, 25]]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["nearest neighbours"]
    assert [container.get_label() for container in axes.containers] == ["before fine-tuning", "after fine-tuning"]


def test_where_an_interval_is_not_known_the_value_is_drawn():
    figures = {"knn_top1": {"value": 0.7, "low": None, "high": None}}
    axes = forgetting_figure(figures, figures, 0.25).axes[0]
    assert [container.lines[0].get_xdata()[0] for container in axes.containers] == pytest.approx([70, 70])
    ends = [container.lines[2][0].get_segments()[0][:, 0] for container in axes.containers]
    np.testing.assert_allclose(ends, 70)


STEM = {"value": 0.99, "low": None, "high": None}  # of a single group
LAST = {"value": 0.5, "low": 0.4, "high": 0.6}


def test_the_first_layer_is_on_top():
    axes = drift_figure([{"name": "stem", "cka": STEM}, {"name": "last", "cka": LAST}]).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["stem", "last"]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]
    assert [text.get_text() for text in axes.texts] == ["0.99", "0.50"]


def test_the_interval_of_a_layer_is_drawn_where_it_is_known():
    axes = drift_figure([{"name": "stem", "cka": STEM}, {"name": "last", "cka": LAST}]).axes[0]
    _, stem, last = (part.get_segments() for part in axes.collections)
    np.testing.assert_allclose(stem, [[[0.99, 0], [0.99, 0]]])
    np.testing.assert_allclose(last, [[[0.4, 1], [0.6, 1]]])


@pytest.mark.parametrize("ends", [(-0.1, 1.3), (-2.4, 2.2), (-0.05, -0.01)])
@pytest.mark.parametrize("value", [0.6, -0.12])
def test_every_layer_has_its_mark_and_its_number_wherever_its_interval_ends(value, ends):
    cka = {"value": value, "low": ends[0], "high": ends[1]}
    axes = drift_figure([{"name": "stem", "cka": cka}]).axes[0]
    (words,), (line,) = axes.texts, axes.get_lines()
    assert words.get_text() == f"{value:.2f}" and 0 <= words.xy[0] <= 1
    assert 0 <= line.get_xdata()[0] <= 1
