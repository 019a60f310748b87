"""Launcher of experiments: local processes, one per device, or a cluster through submitit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from hf_selfdistill.data.whole_files import write_whole
from hf_selfdistill.experiments.experiment import Experiment, Identities, as_plan, run_plan

__all__ = ["launch"]

LOG, PLAN = "log.txt", "plan.json"
POLL_SECONDS = 0.1


def launch(
    experiments: Sequence[Experiment],
    devices: Sequence[str] = ("0",),
    cluster: str | None = None,
    cluster_args: Mapping[str, Any] | None = None,
    folder: Path | None = None,
) -> list[Experiment]:
    """Run the unfinished configs of all experiments; the same call resumes after an interruption.

    Args:
        experiments: all experiments; finished ones are skipped.
        devices: values of CUDA_VISIBLE_DEVICES; one experiment at a time on each. Several devices, "0,1", get as many
            processes. On a CPU the number of names is the number of parallel experiments.
        cluster: `"slurm"`, or submitit's `"local"` and `"debug"`; by default local processes.
        cluster_args: parameters of submitit's executor, such as `slurm_partition`.
        folder: folder of the cluster's files.

    Returns:
        The experiments that failed, in the order given.

    Raises:
        ValueError: the cluster or a parameter of it is not available, or a folder holds a different run.
    """
    executor = None if cluster is None else _executor(cluster, cluster_args or {}, folder or Path("cluster"))
    identities = Identities()
    plans = {experiment: as_plan(experiment.remaining(identities)) for experiment in experiments}
    todo = {experiment: plan for experiment, plan in plans.items() if plan}
    for experiment, plan in todo.items():
        experiment.folder.mkdir(parents=True, exist_ok=True)
        write_whole(experiment.folder / PLAN, json.dumps(plan, indent=1))
    return _locally(list(todo), devices) if executor is None else _on_cluster(todo, executor)


def _locally(todo: Sequence[Experiment], devices: Sequence[str]) -> list[Experiment]:
    waiting, free = list(todo), list(devices)
    running: dict[Experiment, tuple[str, subprocess.Popen[bytes]]] = {}
    failed = []
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # batch systems send SIGTERM to end a job
    with tqdm(total=len(todo), desc="runs", unit="run") as bar:
        try:
            while waiting or running:
                while waiting and free:
                    device, experiment = free.pop(0), waiting.pop(0)
                    running[experiment] = device, _start(experiment, device)
                time.sleep(POLL_SECONDS)
                for experiment, (device, process) in list(running.items()):
                    if process.poll() is not None:
                        del running[experiment]
                        free.append(device)
                        bar.update()
                        if process.returncode != 0:
                            failed.append(experiment)
                            bar.write(f"failed: {experiment.folder}: {_last_line(experiment)}")
        finally:
            for _, process in running.values():
                process.terminate()
            for _, process in running.values():
                process.wait()
            signal.signal(signal.SIGTERM, before)
    return [experiment for experiment in todo if experiment in failed]


def _start(experiment: Experiment, device: str) -> subprocess.Popen[bytes]:
    with (experiment.folder / LOG).open("ab") as log:
        return subprocess.Popen(
            [*_launcher(device), "-m", "hf_selfdistill.experiments.run", str(experiment.folder / PLAN)],
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "CUDA_VISIBLE_DEVICES": device},
        )


def _launcher(device: str) -> list[str]:
    processes = len(device.split(","))
    if processes == 1:
        return [sys.executable]
    return [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]


def _last_line(experiment: Experiment) -> str:
    lines = (experiment.folder / LOG).read_text(encoding="utf-8", errors="replace").strip().splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    return [f"see {LOG}", *lines[-1:], *errors[-1:]][-1]


def _executor(cluster: str, args: Mapping[str, Any], folder: Path) -> Any:
    try:
        import submitit
    except ImportError:
        raise ImportError('a cluster needs submitit; install it with pip install "hf_selfdistill[cluster]"') from None
    try:
        executor = submitit.AutoExecutor(folder / "%j", cluster=cluster)
    except RuntimeError as error:  # srun is missing
        raise ValueError(f"`cluster` is {cluster}: {error}") from error
    try:
        executor.update_parameters(**args)
    except (AssertionError, NameError, ValueError) as error:
        raise ValueError(f"`cluster_args` can't be used: {error}") from error
    return executor


def _on_cluster(todo: Mapping[Experiment, list[dict[str, Any]]], executor: Any) -> list[Experiment]:
    from submitit.helpers import Checkpointable

    class Plan(Checkpointable):  # submitit submits it again after the time limit, and the run resumes
        def __call__(self, plan: list[dict[str, Any]]) -> None:
            run_plan(plan)

    jobs = executor.map_array(Plan(), list(todo.values())) if todo else []
    failed = []
    for experiment, job in zip(todo, tqdm(jobs, desc="runs", unit="run"), strict=True):
        if (error := job.exception()) is not None:
            failed.append(experiment)
            tqdm.write(f"failed: {experiment.folder}: {str(error).strip().splitlines()[-1]}; see {job.paths.stderr}")
    return failed
