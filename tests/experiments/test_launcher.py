import json
import os
import re
import signal
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from hf_selfdistill.cli.ablate import ClusterArguments
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
    """Run a line of Python in place of an experiment; `fail` in the folder's name makes it fail."""
    program = "import sys, os; print(os.environ['CUDA_VISIBLE_DEVICES']); "
    program += "sys.exit('error: no' if '/fail/' in sys.argv[-1] else 0)"
    monkeypatch.setattr(launcher, "_launcher", lambda device: [sys.executable, "-c", program])
    monkeypatch.setattr(launcher, "as_plan", lambda configs: [{"kind": "X", "values": {}} for _ in configs])


def test_failed_experiments_are_returned_and_do_not_stop_the_others(processes, tmp_path, capsys):
    experiments = [stand_in(tmp_path / name) for name in ("a", "fail", "c")]
    assert launch(experiments, ["x", "y"]) == [experiments[1]]
    printed = capsys.readouterr()
    assert "fail: error: no" in printed.out + printed.err
    logs = [(tmp_path / name / "log.txt").read_text() for name in ("a", "c")]
    assert {log.strip() for log in logs} <= {"x", "y"}
    assert json.loads((tmp_path / "a" / "plan.json").read_text()) == [{"kind": "X", "values": {}}]


def test_finished_experiments_are_skipped(processes, tmp_path):
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


@pytest.fixture
def slurm(monkeypatch, tmp_path):
    """A stand-in for SLURM whose sbatch accepts every job; no job is run."""
    submitit = pytest.importorskip("submitit")
    for name in ("srun", "sbatch"):
        (tmp_path / name).write_text("#!/bin/sh\necho Submitted batch job 4711\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(submitit.SlurmJob, "exception", lambda job: None)


def test_the_guide_shows_the_script_that_submitit_gives_to_sbatch(slurm, monkeypatch, tmp_path):
    monkeypatch.setattr(launcher, "as_plan", lambda configs: [{"kind": "X", "values": {}}])
    page = (Path(__file__).parents[2] / "docs" / "distributed.md").read_text()
    words = re.search(r"--cluster slurm --cluster_args ([^\n`]+)", page)[1].split()
    experiments = [stand_in(tmp_path / str(number)) for number in range(12)]
    parameters = ClusterArguments(cluster_args=words).executor_parameters()
    assert launch(experiments, cluster="slurm", cluster_args=parameters, folder=tmp_path / "ABLATION/cluster") == []
    (script,) = (tmp_path / "ABLATION/cluster").glob("*.sh")
    written = script.read_text().replace(f"{tmp_path}/", "").replace(sys.executable, "python")
    assert f"```bash\n{written.strip()}\n```" in page


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"partitoin": "gpu"}, "`cluster_args` can't be used: .*'partitoin' need to be prefixed"),
        ({"timeout_min": "a day"}, '`cluster_args` can\'t be used: Parameter "timeout_min" expected type'),
        ({"slurm_prio": 1}, "`cluster_args` can't be used: Unknown argument 'prio'"),
    ],
)
def test_a_wrong_parameter_of_a_cluster_is_refused_before_any_hashing(slurm, tmp_path, args, message):
    with pytest.raises(ValueError, match=message):
        launch([object()], cluster="slurm", cluster_args=args, folder=tmp_path)


def test_a_machine_without_slurm_is_refused(monkeypatch, tmp_path):
    pytest.importorskip("submitit")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValueError, match="`cluster` is slurm: Could not detect"):
        launch([], cluster="slurm", folder=tmp_path)


def test_a_failed_job_of_a_cluster_is_returned(monkeypatch, tmp_path):
    pytest.importorskip("submitit")
    monkeypatch.setattr(launcher, "as_plan", lambda configs: [{"kind": "Nothing", "values": {}}])
    experiment = stand_in(tmp_path / "a")
    assert launch([experiment], cluster="debug", folder=tmp_path / "cluster") == [experiment]


def test_after_the_time_limit_a_job_is_submitted_again_with_the_same_plan(slurm, monkeypatch, tmp_path):
    from submitit.core.utils import DelayedSubmission

    monkeypatch.setattr(launcher, "as_plan", lambda configs: [{"kind": "X"}])
    launch([stand_in(tmp_path / "a")], cluster="slurm", folder=tmp_path / "cluster")
    (file,) = (tmp_path / "cluster").rglob("*.pkl")
    submission = DelayedSubmission.load(file)
    again = submission.function.checkpoint(*submission.args)
    assert isinstance(again, DelayedSubmission) and again.args == ([{"kind": "X"}],)


def test_an_interrupt_ends_all_processes(monkeypatch, tmp_path):
    monkeypatch.setattr(launcher, "as_plan", lambda configs: [{}])
    monkeypatch.setattr(launcher, "_launcher", lambda device: [sys.executable, "-c", "import time; time.sleep(100)"])
    processes = []
    start = launcher._start
    monkeypatch.setattr(launcher, "_start", lambda *args: processes.append(start(*args)) or processes[-1])
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM)).start()
    with pytest.raises(KeyboardInterrupt):
        launch([stand_in(tmp_path / name) for name in ("a", "b", "c")], ["x", "y"])
    assert len(processes) == 2 and all(process.returncode for process in processes)
