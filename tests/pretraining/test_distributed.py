"""Pre-training on two processes, beside the same on one; each runs once."""

from __future__ import annotations

from itertools import pairwise

import pretraining_worker
import pytest
import torch
from brightness import differing, write_videos
from processes import run_on_two
from shards import write_shards
from videos import numbered_frames, write_video


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Twelve videos, of which 03 can't be read and 08 is short, and four shards of two."""
    root = tmp_path_factory.mktemp("data")
    write_videos(root / "videos", 12)
    (root / "videos" / "03.mp4").write_text("no video")
    write_video(root / "videos" / "08.mp4", numbered_frames(5, 16, 16))
    (root / "shards").mkdir()
    write_shards(root / "shards", shards=4, videos_per_shard=2)
    return root


@pytest.fixture(scope="module")
def two(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("two")
    run_on_two(pretraining_worker.main, out, data / "videos", data / "shards")
    return [torch.load(out / f"rank{rank}.pt") for rank in range(2)]


@pytest.fixture(scope="module")
def one(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("one")
    pretraining_worker.main(out, data / "videos", data / "shards")
    return torch.load(out / "rank0.pt")


def test_there_are_two_processes(two):
    assert [rank["processes"] for rank in two] == [2, 2]
    assert {rank["distributed_type"] for rank in two} == {"DistributedType.MULTI_CPU"}


def test_the_batch_that_is_normalised_together_is_drawn_from_all_processes_and_comes_back_in_order(two):
    first, second = (rank["shuffled"] for rank in two)
    assert sorted(first["met"] + second["met"]) == list(range(12))
    strangers = [[clip for clip in met if clip >= 6] for met in (first["met"], second["met"])]
    assert strangers[0] and strangers[1], "each process met clips of the other"
    for rank, report in enumerate((first, second)):
        mine = [6 * rank + i for i in range(6)]
        assert report["tenfold"] == [10.0 * clip for clip in mine]
        # The statistics of a clip are those of the process where it was normalised.
        means = {clip: sum(met) / 6 for met in (first["met"], second["met"]) for clip in met}
        assert report["means"] == pytest.approx([means[clip] for clip in mine])
        assert report["shape"] == [6, 2] and not report["has_graph"]


def test_keys_are_normalised_among_the_videos_of_both_processes(two):
    first, second = (rank["contrast"] for rank in two)
    strangers = 0
    for step in range(6):
        everyone = sorted(first["own"][step] + second["own"][step])
        for forward in (2 * step, 2 * step + 1):  # the keys of the other speed, then those of the same
            assert sorted(first["normalised"][forward] + second["normalised"][forward]) == everyone
            strangers += any(video in second["own"][step] for video in first["normalised"][forward])
    assert strangers >= 6  # of 12; by chance a process meets only its own once in six


def test_rows_are_gathered_in_the_order_of_the_processes(two, one):
    assert [rank["shuffled"]["gathered"] for rank in two] == [list(range(12))] * 2
    alone = one["shuffled"]
    assert alone["met"] == alone["gathered"] == list(range(6)) and alone["means"] == [2.5] * 6


def test_queue_keys_and_weights_are_the_same_on_both_processes_at_every_step(two):
    first, second = (rank["contrast"] for rank in two)
    assert len(first["queues"]) == 6 and first["queues"][0].shape == (12, 6)  # 14, cut to a multiple of 4
    for name in ("queues", "keys"):
        for mine, other in zip(first[name], second[name], strict=True):
            assert torch.equal(mine, other)
        assert not torch.equal(first[name][0], first[name][-1])
    unlike = differing(first["state"], second["state"])
    assert not [name for name in unlike if "running" not in name]  # BatchNorm's statistics are each one's own


def test_every_step_adds_the_keys_of_both_processes_to_the_queue(two):
    for step, (before, after) in enumerate(pairwise(two[0]["contrast"]["queues"]), start=1):
        changed = (before != after).any(1).nonzero().flatten().tolist()
        assert changed == sorted((4 * step + place) % 12 for place in range(4))


def test_metrics_are_averaged_over_the_processes_and_the_window(two, one):
    for kind in ("contrast", "brightness"):
        assert two[0][kind]["logs"] == two[1][kind]["logs"]
    for mine, alone in zip(two[0]["brightness"]["logs"], one["brightness"]["logs"], strict=True):
        assert mine["error"] == pytest.approx(alone["error"], rel=1e-4)
        assert mine["loss"] == pytest.approx(alone["loss"], rel=1e-4)


@pytest.mark.parametrize("way", ["brightness", "accumulated", "checkpointed"])
def test_two_processes_give_the_weights_of_one_with_the_learning_rate_of_as_many_videos(two, one, way):
    expected = one["brightness"]["state"]
    for rank in two:
        for name, value in rank[way]["state"].items():
            if name not in ("steps_begun", "videos_seen"):
                assert torch.allclose(value, expected[name], atol=1e-5), name
        assert rank[way]["state"]["steps_begun"] == 6
    assert one["brightness"]["logs"][0]["learning_rate"] == two[0][way]["logs"][0]["learning_rate"] < 0.05 / 2


def test_evaluation_gives_both_processes_the_figures_of_one(two, one):
    for rank in two:
        for name in ("eval_loss", "eval_error"):
            assert rank["brightness"]["evaluated"][name] == pytest.approx(
                one["brightness"]["evaluated"][name], rel=1e-4
            )


def test_of_videos_that_processes_cannot_share_evenly_none_counts_twice_in_the_metrics(two, one):
    expected = one["brightness"]["evaluated_unevenly"]["eval_error"]
    for rank in two:
        assert rank["brightness"]["evaluated_unevenly"]["eval_error"] == pytest.approx(expected, rel=1e-4)


def test_unreadable_and_short_videos_of_each_process_become_known_to_both(two):
    for rank in two:
        (failure,) = rank["contrast"]["unreadable"]
        assert failure["video"].endswith("03.mp4") and failure["reason"]
    assert {index for rank in two for index in rank["contrast"]["here"]} == {3}
    assert {index for rank in two for index in rank["contrast"]["short_here"]} == {8}


def test_a_run_on_two_processes_resumes_within_an_epoch(two):
    assert not differing(two[0]["contrast"]["state"], two[0]["resumed"]["state"])
    assert two[0]["contrast"]["logs"][4:] == two[0]["resumed"]["logs"][-2:]


def test_each_process_reads_its_own_shards_of_a_stream(two, one):
    seen = [set(rank["streamed"]["seen"]) for rank in two]
    assert not seen[0] & seen[1] and len(seen[0] | seen[1]) == 8
    assert [rank["streamed"]["clips"] for rank in two] == [4, 4] and one["streamed"]["clips"] == 8
    assert [report["streamed"]["steps"] for report in (*two, one)] == [2, 2, 2]
