import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from hf_selfdistill.experiments import launcher
from hf_selfdistill.experiments.launcher import launch


def stand_in(folder, remaining=1):
    """An experiment whose plan needs no training."""

    class Stand(SimpleNamespace):
        __hash__ = object.__hash__

        def remaining(self, identities):
            return [None] * remaining

    return Stand(folder=Path(folder))


@pytest.fixture
def processes(monkeypatch):
    """Runs a line of Python in place of an experiment; `fail` in the folder's name fails."""
    program = "import sys, os; print(os.environ['CUDA_VISIBLE_DEVICES']); "
    program += "sys.exit('error: no' if '/fail/' in sys.argv[-1] else 0)"
    monkeypatch.setattr(launcher, "_launcher", lambda device: [sys.executable, "-c", program])
    monkeypatch.setattr(launcher, "as_plan", lambda configs: [{"kind": "X", "values": {}} for _ in configs])


def test_what_fails_is_returned_and_does_not_stop_the_others(processes, tmp_path, capsys):
    experiments = [stand_in(tmp_path / name) for name in ("a", "fail", "c")]
    assert launch(experiments, ["x", "y"]) == [experiments[1]]
    printed = capsys.readouterr()
    assert "fail: error: no" in printed.out + printed.err
    logs = [(tmp_path / name / "log.txt").read_text() for name in ("a", "c")]
    assert {log.strip() for log in logs} <= {"x", "y"}
    assert json.loads((tmp_path / "a" / "plan.json").read_text()) == [{"kind": "X", "values": {}}]


def test_what_is_done_is_skipped(processes, tmp_path):
    assert launch([stand_in(tmp_path / "a", remaining=0)]) == []
    assert not (tmp_path / "a").exists()


def test_several_devices_get_as_many_processes():
    assert launcher._launcher("0") == [sys.executable]
    assert "--nproc_per_node=2" in launcher._launcher("0,1")


@pytest.mark.parametrize("cluster", ["debug", "local"])
def test_a_cluster_runs_each_plan_through_submitit(monkeypatch, tmp_path, cluster):
    pytest.importorskip("submitit")
    monkeypatch.setattr(launcher, "as_plan", lambda configs: [])  # an empty plan does nothing
    experiments = [stand_in(tmp_path / name) for name in ("a", "b")]
    parameters = {"timeout_min": 5} if cluster == "local" else {}
    assert launch(experiments, cluster=cluster, cluster_args=parameters, folder=tmp_path / "cluster") == []


def test_a_failed_job_of_a_cluster_is_returned(monkeypatch, tmp_path):
    pytest.importorskip("submitit")
    monkeypatch.setattr(launcher, "as_plan", lambda configs: [{"kind": "Nothing", "values": {}}])
    experiment = stand_in(tmp_path / "a")
    assert launch([experiment], cluster="debug", folder=tmp_path / "cluster") == [experiment]


def test_a_job_that_was_cut_off_is_submitted_again_with_the_same_plan():
    submitit = pytest.importorskip("submitit")
    again = launcher.ClusterPlan().checkpoint([{"kind": "X"}])
    assert isinstance(again, submitit.helpers.DelayedSubmission) and again.args == ([{"kind": "X"}],)
