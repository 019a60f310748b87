from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from transformers import set_seed
from videos import numbered_frames, write_video

from hf_selfdistill import C3DConfig, C3DModel, C3DVideoProcessor
from hf_selfdistill.data.decoding import VideoReader
from hf_selfdistill.data.transforms import seeded_draws
from hf_selfdistill.pretraining.objective_arguments import SpaceTimeCubesArguments
from hf_selfdistill.pretraining.space_time_cubes import ORDERS, SpaceTimeCubes


def tiny(**arguments) -> SpaceTimeCubes:
    set_seed(0)
    encoder = C3DModel(C3DConfig(hidden_sizes=[4, 8, 8, 8, 8], num_frames=8, image_size=16))
    return SpaceTimeCubes(encoder, SpaceTimeCubesArguments(**{"crop_share": 1.0, **arguments}))


@pytest.fixture
def processor() -> C3DVideoProcessor:
    size = {"height": 16, "width": 16}
    return C3DVideoProcessor(size={"shortest_edge": 16}, crop_size=size, image_mean=[0] * 3, image_std=[1] * 3)


def samples(video, views, kind: str, count: int = 12):
    """Samples of one kind, with the indices that were read for each."""
    seed = found = 0
    while found < count:
        with Reads(video) as reader, seeded_draws(seed):
            sample = views(reader, "v.mp4")
        seed += 1
        if bool(sample["is_temporal"]) == (kind == "temporal"):
            found += 1
            yield sample, reader.indices


class Reads(VideoReader):
    indices: list[list[int]]

    def read(self, indices):
        self.indices = [*getattr(self, "indices", []), list(indices)]
        return super().read(indices)


def test_orders_are_all_permutations_in_lexicographic_order():
    assert list(ORDERS) == sorted(permutations(range(4))) and len(ORDERS) == 24


@pytest.mark.parametrize("corner", range(4))
def test_the_cell_with_the_red_corner_is_where_the_order_says(tmp_path, processor, corner):
    frames = np.zeros((80, 64, 64, 3), np.uint8)
    row, column = divmod(corner, 2)
    frames[:, row * 32 : row * 32 + 32, column * 32 : column * 32 + 32, 0] = 255
    video = write_video(tmp_path / "v.mp4", frames)
    for sample, _ in samples(video, tiny(replicate_channel=0.0).views(processor), "spatial"):
        redness = sample["cells"][:, :, 0].mean((1, 2, 3))
        place = ORDERS[int(sample["order"])].index(corner)
        assert redness.argmax() == place and redness[place] > 0.7


def test_the_cells_of_a_temporal_puzzle_are_the_four_slots_in_the_order_of_the_label(tmp_path, processor):
    video = write_video(tmp_path / "v.mp4", [np.full((32, 32, 3), 3 * number + 20, np.uint8) for number in range(64)])
    for sample, (read,) in samples(video, tiny(replicate_channel=0.0).views(processor), "temporal"):
        first = [read[8 * slot] for slot in range(4)]
        assert all(16 * slot <= start <= 16 * slot + 8 for slot, start in enumerate(first))
        assert all(read[8 * slot + i] == first[slot] + i for slot in range(4) for i in range(8))
        levels = sample["cells"].mean((1, 2, 3, 4))
        assert levels.argsort().argsort().tolist() == list(ORDERS[int(sample["order"])])


@pytest.mark.parametrize(("num_frames", "slot"), [(64, 16), (48, 12), (32, 8)])
def test_slots_are_shorter_in_a_short_video_so_that_no_frame_is_in_two(tmp_path, processor, num_frames, slot):
    video = write_video(tmp_path / "v.mp4", numbered_frames(num_frames, 32, 32))
    for _, (read,) in samples(video, tiny().views(processor), "temporal", 5):
        assert len(set(read)) == 32
        assert all(slot * number <= read[8 * number] <= slot * number + slot - 8 for number in range(4))


def test_a_spatial_puzzle_reads_one_slot_at_once(tmp_path, processor):
    video = write_video(tmp_path / "v.mp4", numbered_frames(64, 32, 32))
    slots = set()
    for _, reads in samples(video, tiny().views(processor), "spatial", 20):
        (read,) = reads
        assert len(read) == len(set(read)) <= 16 and max(read) - min(read) < 16
        slots.add(min(read) // 16)
    assert len(slots) == 4


def test_one_channel_stands_for_all_three(tmp_path, processor):
    frames = np.zeros((64, 32, 32, 3), np.uint8)
    frames[..., 0], frames[..., 1], frames[..., 2] = 40, 120, 200
    video = write_video(tmp_path / "v.mp4", frames)
    levels = set()
    for sample, _ in samples(video, tiny().views(processor), "spatial", 20):
        cells = sample["cells"]
        assert torch.equal(cells[:, :, 0], cells[:, :, 1]) and torch.equal(cells[:, :, 0], cells[:, :, 2])
        levels.add(round(float(cells.mean()), 1))
    assert len(levels) == 3


def test_turned_puzzles_say_so(tmp_path, processor):
    frames = np.zeros((64, 32, 32, 3), np.uint8)
    frames[:, :4] = frames[:, 16:20] = 255  # a bright line on top of every cell
    video = write_video(tmp_path / "v.mp4", frames)
    turned = []
    for sample, _ in samples(video, tiny(rotation=True).views(processor), "spatial", 16):
        rows = sample["cells"].mean((0, 1, 2, 4))
        assert bool(rows[-1] > rows[0]) == bool(sample["is_turned"])
        turned.append(bool(sample["is_turned"]))
    assert len(set(turned)) == 2


def test_crops_are_jittered_within_their_cells(tmp_path, processor):
    video = write_video(tmp_path / "v.mp4", numbered_frames(64, 64, 64))
    views = tiny(crop_share=1.0).views(processor)
    views.crop = 12
    shapes = {tuple(sample["cells"].shape) for sample, _ in samples(video, views, "spatial", 3)}
    assert shapes == {(4, 8, 3, 12, 12)}


def test_equal_draws_give_equal_samples(tmp_path, processor):
    video = write_video(tmp_path / "v.mp4", numbered_frames(64, 32, 32))

    views = tiny().views(processor)

    def sample(seed):
        with VideoReader(video) as reader, seeded_draws(seed):
            return views(reader, "v.mp4")["cells"]

    assert torch.equal(sample(3), sample(3)) and not torch.equal(sample(3), sample(4))


def batch(videos: int = 8) -> dict[str, torch.Tensor]:
    cells = torch.randn(videos, 4, 8, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    numbers = torch.arange(videos)
    return {"cells": cells, "order": numbers * 3, "is_temporal": numbers % 2 == 1, "is_turned": numbers % 3 == 0}


@pytest.mark.parametrize("rotation", [False, True])
def test_each_puzzle_goes_through_the_head_of_its_kind(rotation):
    objective = tiny(rotation=rotation).eval()
    inputs = batch()
    output = objective(**inputs)
    losses, right = [], []
    for i in range(8):
        features = objective.encoder(inputs["cells"][i]).pooler_output.flatten()
        head = objective.temporal_head if inputs["is_temporal"][i] else objective.spatial_head
        logits = head(features)
        losses.append(F.cross_entropy(logits[None], inputs["order"][i : i + 1]).item())
        right.append(float(logits.argmax() == inputs["order"][i]))
        if rotation:
            turned = objective.rotation_head(features)[None]
            losses[-1] += F.cross_entropy(turned, inputs["is_turned"][i : i + 1].long()).item()
    assert output.loss.item() == pytest.approx(sum(losses) / 8, rel=1e-5)
    assert output.metrics["temporal_accuracy"][1::2].tolist() == right[1::2]
    assert output.metrics["spatial_accuracy"][::2].tolist() == right[::2]
    assert output.metrics["spatial_accuracy"][1::2].isnan().all()


def test_a_few_puzzles_are_learnt():
    objective = tiny()
    optimizer = torch.optim.Adam(objective.parameters(), lr=0.01)
    for _ in range(40):
        output = objective(**batch())
        optimizer.zero_grad()
        output.loss.backward()
        optimizer.step()
    assert output.metrics["spatial_accuracy"].nanmean() == 1 and output.metrics["temporal_accuracy"].nanmean() == 1
    assert all(parameter.grad is not None for parameter in objective.parameters())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"frames_per_cell": 4}, "`frames_per_cell` is 4, fewer than the 8 frames"),
        ({"crop_share": 0.5}, "`crop_share` is 0.5, which gives crops of 8 pixels, but the encoder needs 16"),
        ({"crop_share": 1.5}, "`crop_share` is 1.5"),
        ({"frames_per_cell": 0}, "`frames_per_cell` is 0; it must be positive"),
        ({"replicate_channel": -0.1}, "`replicate_channel` is -0.1"),
    ],
)
def test_what_can_not_be_cut_is_refused_with_the_cure(processor, arguments, message):
    with pytest.raises(ValueError, match=message):
        tiny(**arguments).views(processor)
