import subprocess
import sys

import pytest

from hf_selfdistill.training.figures import look, new_figure


def test_matplotlib_is_loaded_by_the_first_figure_without_pyplot_or_changed_settings():
    code = (
        "import sys, hf_selfdistill.reporting.report; assert 'matplotlib' not in sys.modules\n"
        "import matplotlib; before = matplotlib.rcParams.copy()\n"
        "from hf_selfdistill.training.figures import new_figure\n"
        "new_figure(2, 1).savefig('/dev/null', format='png')\n"
        "assert 'matplotlib.pyplot' not in sys.modules; assert matplotlib.rcParams.copy() == before"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install \"hf_selfdistill\[report\]\""):
        new_figure(1, 1)


def test_many_things_look_different():
    looks = [look(number) for number in range(72)]
    assert len({tuple(one.values()) for one in looks}) == 72
    assert len({(one["color"], one["marker"]) for one in looks[:36]}) == 36
    assert look(72) == look(0)
