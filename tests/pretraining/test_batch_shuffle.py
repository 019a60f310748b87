from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from hf_selfdistill.pretraining.batch_shuffle import gathered, on_shuffled_batch

WORKER = Path(__file__).with_name("shuffling_worker.py")


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two-processes")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*launcher, str(WORKER), str(folder)],
        capture_output=True,
        text=True,
        timeout=250,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    ranks = [torch.load(folder / f"rank{rank}.pt", weights_only=False) for rank in range(2)]
    assert [rank["world_size"] for rank in ranks] == [2, 2]
    return ranks


def test_each_process_computes_on_clips_of_both(two_processes):
    everyone = sorted(torch.cat([rank["seen"] for rank in two_processes]).tolist())
    assert everyone == list(range(16))
    for rank in two_processes:
        others = ~torch.isin(rank["seen"], rank["mine"])
        assert 0 < others.sum() < 8
        assert rank["seen"].tolist() != sorted(rank["seen"].tolist())


def test_results_come_back_to_the_process_and_the_place_of_their_clip(two_processes):
    for rank in two_processes:
        assert torch.equal(rank["doubled"], rank["mine"] * 2)
        assert torch.equal(rank["raised"], rank["mine"] + 100)


def test_the_queue_holds_the_keys_of_both_processes_and_is_the_same_on_both(two_processes):
    first, second = two_processes
    assert torch.equal(first["queue"], second["queue"])
    assert len(first["queue"]) == 16 and first["queue_start"] == 0  # 20 cut to 16; two steps of 8 fill it
    assert len(first["queue"].unique(dim=0)) == 16
    assert torch.allclose(first["queue"].norm(dim=1), torch.ones(16))


def test_metrics_are_logged_over_both_processes(two_processes):
    first, second = (rank["log"] for rank in two_processes)
    assert len(first) == 1
    for name in ("speed_accuracy", "instance_top1", "speed_loss", "instance_loss"):
        assert first[0][name] == second[0][name]
    assert (16 * first[0]["speed_accuracy"]) % 1 == pytest.approx(0, abs=1e-6)  # of 16 videos


def test_one_process_computes_on_its_own_clips():
    clips = torch.arange(4.0)
    (same,) = on_shuffled_batch(lambda seen: (seen,), clips)
    assert torch.equal(same, clips) and torch.equal(gathered(clips), clips)
