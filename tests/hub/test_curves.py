import logging
import sys

from hf_selfdistill.hub.curves import CURVES, draw_curves

LOG = [{"step": step, "loss": 1 / step, "ce_loss": 0.5 / step} for step in (1, 2, 3)] + [{"step": 3, "train_loss": 1}]


def test_what_was_logged_is_drawn(tmp_path):
    assert draw_curves(LOG, tmp_path) == CURVES
    assert (tmp_path / CURVES).stat().st_size > 1000


def test_nothing_is_drawn_of_a_single_step(tmp_path):
    assert draw_curves(LOG[:1], tmp_path) is None and not list(tmp_path.iterdir())


def test_without_matplotlib_one_line_says_what_to_install(tmp_path, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "matplotlib.backends.backend_agg", None)
    with caplog.at_level(logging.INFO):
        assert draw_curves(LOG, tmp_path) is None
    (record,) = caplog.records
    assert "hf_selfdistill[report]" in record.getMessage()
