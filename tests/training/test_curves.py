import logging
import sys

from hf_selfdistill.training.card import CURVES
from hf_selfdistill.training.curves import curve_figures, draw_curves, training_curves

LOG = [
    {"step": 10, "loss": 3.0, "ce_loss": 2.0, "distill_loss": 0.1},
    {"step": 10, "eval_video_top1": 0.25, "eval_retention": 0.9, "eval_retention_knn": 1.1},
    {"step": 20, "loss": 2.0, "ce_loss": 1.5, "distill_loss": 0.05},
    {"step": 20, "eval_video_top1": 0.5, "eval_retention": 0.8, "eval_retention_knn": 0.6},
]


def lines(axes):
    return {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in axes.get_lines()}


def test_every_quantity_that_was_logged_has_its_panel():
    figures = curve_figures(LOG)
    assert list(figures) == [
        "loss", "distance to the teacher (unweighted)", "validation accuracy (%)", "retention (%)",
    ]  # fmt: skip
    (loss,) = figures["loss"].axes
    assert lines(loss) == {"loss": ([10, 20], [3.0, 2.0]), "cross-entropy": ([10, 20], [2.0, 1.5])}
    (accuracy,) = figures["validation accuracy (%)"].axes
    assert lines(accuracy) == {"video top-1": ([10, 20], [25.0, 50.0])}
    (retention,) = figures["retention (%)"].axes
    assert list(lines(retention)) == ["linear probe", "kNN"]
    assert lines(retention)["linear probe"] == ([10, 20], [90.0, 80.0])


def test_the_panels_stand_side_by_side_too():
    assert [axes.get_title() for axes in training_curves(LOG).axes] == list(curve_figures(LOG))


def test_a_single_line_is_named_where_the_title_does_not_say_it():
    figures = curve_figures([{"step": step, "loss": 1.0, "eval_retention_knn": 1.0} for step in (1, 2)])
    assert figures["loss"].axes[0].get_legend() is None
    (words,) = figures["retention (%)"].axes[0].get_legend().get_texts()
    assert words.get_text() == "kNN"


def test_what_was_logged_once_is_no_curve():
    assert training_curves(LOG[:2]) is None and curve_figures(LOG[:2]) == {}


def test_percentages_have_the_whole_axis_and_more_where_they_need_it():
    figures = curve_figures(LOG)
    (accuracy,) = figures["validation accuracy (%)"].axes
    (retention,) = figures["retention (%)"].axes
    shown = [number for number in accuracy.get_yticks() if accuracy.get_ylim()[0] <= number <= accuracy.get_ylim()[1]]
    assert shown == [0, 20, 40, 60, 80, 100]
    assert retention.get_ylim()[0] < 0 and retention.get_ylim()[1] > 110
    assert figures["loss"].axes[0].get_ylim()[0] > 0


def test_steps_are_whole_numbers():
    log = [{"step": step, "loss": 1 / step} for step in (1, 2, 3)]
    (axes,) = curve_figures(log)["loss"].axes
    assert all(step == int(step) for step in axes.get_xticks())


def test_an_objectives_metrics_are_drawn_in_training_and_on_held_out_videos():
    of_step = {"speed_accuracy": 0.5, "instance_top1": 0.1, "motion_mse": 2.0}
    log = [{"step": step, **of_step, "eval_speed_accuracy": 0.6} for step in (1, 2)]
    figures = curve_figures(log)
    assert list(figures) == ["objective, accuracy (%)", "objective, squared error"]
    (accuracy,), (error,) = (figure.axes for figure in figures.values())
    assert lines(accuracy) == {
        "speed accuracy": ([1, 2], [50.0, 50.0]),
        "instance top-1": ([1, 2], [10.0, 10.0]),
        "speed accuracy, held out": ([1, 2], [60.0, 60.0]),
    }
    assert lines(error) == {"motion mse": ([1, 2], [2.0, 2.0])}


def test_the_curves_are_drawn_into_the_folder(tmp_path):
    draw_curves(LOG, tmp_path / "new")
    assert (tmp_path / "new" / CURVES).read_bytes()[1:4] == b"PNG"


def test_a_single_step_is_not_drawn(tmp_path):
    draw_curves(LOG[:1], tmp_path)
    assert not list(tmp_path.iterdir())


def test_without_matplotlib_one_line_says_what_to_install(tmp_path, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "matplotlib.backends.backend_agg", None)
    with caplog.at_level(logging.INFO):
        draw_curves(LOG, tmp_path)
    (message,) = caplog.messages
    assert "hf_selfdistill[report]" in message and not list(tmp_path.iterdir())
