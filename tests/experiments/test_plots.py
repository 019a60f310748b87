import numpy as np
import pytest

from hf_selfdistill.experiments.plots import Outcome, frontier_figure, lambda_figure, not_dominated

OUTCOMES = [
    Outcome("λ = 0", 0.67, 0.05, 0.35, 0.04),
    Outcome("λ = 1", 0.69, 0.02, 0.39, 0.03),
    Outcome("λ = 10", 0.68, 0.03, 0.51, 0.02),
    Outcome("λ = 100", 0.665, 0.01, 0.59, 0.02),
    Outcome("L2-SP", 0.66, 0.02, 0.57, 0.02),
    Outcome("low rate", 0.69, 0.01, 0.56, 0.01),
]


def test_the_axis_includes_lambda_zero_and_error_bars_are_standard_deviations():
    figure = lambda_figure({"C3D": {0: [0.5, 0.6, 0.7], 1: [0.8], 100: [0.7, 0.9]}})
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "1", "100"]
    (container,) = axes.containers
    np.testing.assert_allclose(container.lines[0].get_ydata(orig=False), [60, 80, 80])
    (bars,) = container.lines[2]
    heights = [segment[1, 1] - segment[0, 1] for segment in bars.get_segments()]
    np.testing.assert_allclose(heights, [20, 0, 2 * 100 * np.sqrt(0.02)])
    assert "1 to 3 runs" in axes.get_title()


@pytest.mark.parametrize("number", [7, 40])
def test_any_number_of_curves_are_distinct_and_named_inside_the_figure(number):
    figure = lambda_figure({f"rate {name}, 100 % labels": {0: [0.5], 1: [0.4 + name / 100]} for name in range(number)})
    (axes,) = figure.axes
    lines = [container.lines[0] for container in axes.containers]
    assert len({(line.get_color(), line.get_marker(), line.get_linestyle()) for line in lines}) == number
    figure.draw_without_rendering()
    box, frame = axes.get_legend().get_window_extent(), figure.bbox
    assert len(axes.get_legend().get_texts()) == number
    assert box.x0 >= axes.get_window_extent().x1 and box.x1 <= frame.x1 and box.y0 >= frame.y0 and box.y1 <= frame.y1


def test_empty_results_are_refused():
    with pytest.raises(ValueError, match="no accuracy"):
        lambda_figure({})
    with pytest.raises(ValueError, match="no setting"):
        frontier_figure([])


def test_the_frontier_has_the_settings_that_no_other_setting_beats_in_both():
    assert [outcome.name for outcome in not_dominated(OUTCOMES)] == ["low rate", "λ = 100"]


def test_equal_settings_are_both_on_the_frontier():
    twins = [Outcome("a", 0.5, 0, 0.5, 0), Outcome("b", 0.5, 0, 0.5, 0)]
    assert not_dominated(twins) == twins


def test_every_setting_has_a_distinct_marker_and_a_name_in_the_legend():
    many = [Outcome(f"setting {number}", 0.6, 0.01, number / 20, 0.01) for number in range(15)]
    figure = frontier_figure(many)
    (axes,) = figure.axes
    marks = {(line.get_color(), line.get_marker()) for container in axes.containers for line in container.lines[:1]}
    assert len(marks) == len(many)
    figure.draw_without_rendering()
    legend = axes.get_legend()
    assert [text.get_text() for text in legend.get_texts()] == [outcome.name for outcome in many]
    box, frame = legend.get_window_extent(), figure.bbox
    assert box.x0 >= axes.get_window_extent().x1 and box.x1 <= frame.x1 and box.y0 >= frame.y0 and box.y1 <= frame.y1
