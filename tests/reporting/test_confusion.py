import itertools

import numpy as np
import pytest

from hf_selfdistill.reporting.confusion import confusion_figure, most_confused

CLASSES = ["run", "walk", "swim"]
COUNTS = np.array([[1, 2, 0], [1, 0, 0], [0, 0, 2]])  # rows are true classes


def test_the_most_confused_pair_comes_first_and_right_answers_never():
    pairs = most_confused(COUNTS, CLASSES)
    assert [(pair.label, pair.predicted, pair.videos) for pair in pairs] == [("run", "walk", 2), ("walk", "run", 1)]
    assert pairs[0].share == pytest.approx(2 / 3)


def test_few_classes_show_numbers():
    axes = confusion_figure(COUNTS, CLASSES).axes[0]
    assert sorted(text.get_text() for text in axes.texts) == ["1", "1", "2", "2"]
    np.testing.assert_allclose(axes.images[0].get_array()[0], [100 / 3, 200 / 3, 0])


def test_names_of_a_hundred_classes_do_not_run_into_each_other():
    classes = [f"HandstandPushups{number}" for number in range(101)]
    figure = confusion_figure(np.eye(101, dtype=int), classes)
    figure.draw_without_rendering()
    boxes = [label.get_window_extent() for label in figure.axes[0].get_yticklabels()]
    assert len(boxes) == 101
    assert all(lower.y1 <= upper.y0 for upper, lower in itertools.pairwise(boxes))
    assert min(label.get_fontsize() for label in figure.axes[0].get_yticklabels()) >= 7


def test_names_are_drawn_as_they_are_not_as_formulas():
    classes = [r"$\frac$", "a$b$c", "walk"]
    figure = confusion_figure(COUNTS, classes)
    figure.draw_without_rendering()
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == classes
