from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from transformers import set_seed
from videos import numbered_frames, write_video

from hf_selfdistill import C3DConfig, C3DModel, C3DVideoProcessor
from hf_selfdistill.data.decoding import VideoReader
from hf_selfdistill.data.transforms import seeded_draws
from hf_selfdistill.pretraining import augmentation, pace
from hf_selfdistill.pretraining.objective_arguments import PaceArguments
from hf_selfdistill.pretraining.pace import Pace, _nearest_is, contrastive_loss, paced_clip


def tiny(**arguments) -> Pace:
    set_seed(0)
    encoder = C3DModel(C3DConfig(hidden_sizes=[4, 8, 8, 8, 8], num_frames=8, image_size=16))
    return Pace(encoder, PaceArguments(**arguments))


@pytest.fixture
def processor() -> C3DVideoProcessor:
    return C3DVideoProcessor(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16})


@pytest.fixture
def video(tmp_path):
    return write_video(tmp_path / "v.mp4", numbered_frames(50, 32, 40))


@pytest.fixture
def clips_read(monkeypatch) -> list[list[list[int]]]:
    """The clips of each read."""
    read: list[list[list[int]]] = []

    def read_clips(reader, clips):
        read.append(clips)
        return augmentation.read_clips(reader, clips)

    monkeypatch.setattr(pace, "read_clips", read_clips)
    return read


def test_a_clip_takes_every_nth_frame_and_goes_on_at_the_first_beyond_the_end():
    for seed in range(20):
        with seeded_draws(seed):
            clip = paced_clip(20, 8, 3)
        for before, after in pairwise(clip):
            assert after == (before + 3 if before + 3 < 20 else 0)


def test_every_start_is_drawn_and_a_short_video_repeats():
    torch.manual_seed(0)
    assert {paced_clip(5, 8, 1)[0] for _ in range(100)} == set(range(5))
    clip = paced_clip(3, 8, 1)
    assert sorted(set(clip)) == [0, 1, 2] and clip[3:6] == clip[:3]


def test_a_video_is_short_that_the_fastest_clip_goes_beyond(processor):
    assert tiny().views(processor).span == 4 * 7 + 1  # frames from a clip's first to its last, at pace 4


def test_the_label_is_the_pace_that_the_clip_was_read_at(video, processor, clips_read):
    seen, views = set(), tiny().views(processor)
    for seed in range(12):
        with VideoReader(video) as reader, seeded_draws(seed):
            sample = views(reader, "v.mp4")
        (clip,) = clips_read[-1]
        steps = {b - a for a, b in pairwise(clip) if b > a}
        assert steps == {int(sample["paces"][0]) + 1}
        assert sample["clips"].shape == (1, 8, 3, 16, 16)
        seen |= steps
    assert seen == {1, 2, 3, 4}


def test_with_the_contrastive_term_two_clips_are_read_at_once(video, processor, clips_read):
    with VideoReader(video) as reader, seeded_draws(0):
        sample = tiny(contrastive_weight=0.1).views(processor)(reader, "v.mp4")
    assert [[len(clip) for clip in clips] for clips in clips_read] == [[8, 8]]
    assert sample["clips"].shape == (2, 8, 3, 16, 16) and sample["paces"].shape == (2,)


def test_equal_draws_give_equal_samples(video, processor):
    views = tiny().views(processor)

    def sample(seed):
        with VideoReader(video) as reader, seeded_draws(seed):
            return views(reader, "v.mp4")["clips"]

    assert torch.equal(sample(3), sample(3)) and not torch.equal(sample(3), sample(4))


def test_the_whole_frame_is_resized_before_it_is_cropped():
    plain = {"image_mean": [0] * 3, "image_std": [1] * 3, "antialias": False}
    processor = C3DVideoProcessor(crop_size={"height": 28, "width": 28}, **plain)
    frames = torch.zeros(1, 3, 128, 171, dtype=torch.uint8)
    frames[..., 80:] = 255  # bright from the middle on: every crop of two thirds has both halves
    clip = tiny(color_jitter="none").views(processor).augment(frames)
    assert clip.shape == (1, 3, 28, 28)
    assert 0 <= clip.min() < 0.01 and 0.99 < clip.max() <= 1


@pytest.mark.parametrize(
    ("color_jitter", "alike_in_a_clip", "alike_among_draws"),
    [("frame", False, False), ("clip", True, False), ("none", True, True)],
)
def test_colours_are_drawn_for_each_frame_or_once_per_clip_or_not_at_all(
    tmp_path, processor, color_jitter, alike_in_a_clip, alike_among_draws
):
    views = tiny(color_jitter=color_jitter).views(processor)
    still = np.full((20, 32, 40, 3), (150, 90, 60), np.uint8)
    with VideoReader(write_video(tmp_path / "still.mp4", still)) as reader:
        clips = []
        for seed in range(4):
            with seeded_draws(seed):
                clips.append(views(reader, "still.mp4")["clips"][0])
    assert torch.allclose(clips[0], clips[0][:1], atol=0.01) == alike_in_a_clip
    assert torch.allclose(torch.stack(clips), clips[0], atol=0.01) == alike_among_draws


def batch(videos: int = 8, clips: int = 1) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    frames = torch.randn(videos, clips, 8, 3, 16, 16, generator=generator)
    return {"clips": frames, "paces": torch.arange(videos * clips).view(videos, clips) % 4}


def test_by_default_the_loss_is_the_paces_cross_entropy():
    objective = tiny().eval()
    inputs = batch()
    output = objective(**inputs)
    logits = objective.pace_head(objective.encoder(inputs["clips"][:, 0]).pooler_output)
    assert output.loss.item() == pytest.approx(F.cross_entropy(logits, inputs["paces"][:, 0]).item(), rel=1e-6)
    assert output.metrics["pace_accuracy"].tolist() == (logits.argmax(1) == inputs["paces"][:, 0]).float().tolist()


@pytest.mark.parametrize("alike", [[0, 0, 1, 1, 2, 2], [0, 1, 0, 0, 1, 3]])
def test_the_contrastive_term_equals_its_formula(alike):
    z = F.normalize(torch.randn(6, 5, generator=torch.Generator().manual_seed(1)))
    losses = []
    for i in range(6):
        positives = [p for p in range(6) if p != i and alike[p] == alike[i]]
        others = sum(math.exp(z[i] @ z[n] / 0.2) for n in range(6) if alike[n] != alike[i])
        if positives:
            pairs = [math.exp(z[i] @ z[p] / 0.2) for p in positives]
            losses.append(-sum(math.log(pair / (pair + others)) for pair in pairs) / len(pairs))
    mine = contrastive_loss(z, torch.tensor(alike), 0.2)
    assert mine.item() == pytest.approx(sum(losses) / len(losses), rel=1e-5)


def test_half_precision_around_it_does_not_change_it():
    z, alike = F.normalize(torch.randn(6, 50)), torch.tensor([0, 0, 1, 1, 2, 2])
    with torch.autocast("cpu", torch.bfloat16):
        inside = contrastive_loss(z, alike, 0.1)
    assert inside == contrastive_loss(z, alike, 0.1)


def test_half_precision_around_it_leaves_the_clips_that_are_nearest():
    """16 pairs that bfloat16 can't tell apart."""
    pairs = F.normalize(torch.ones(16, 8) + 1e-3 * torch.randn(16, 8, generator=torch.Generator().manual_seed(0)))
    embeddings, video = pairs.repeat_interleave(2, 0), torch.arange(16).repeat_interleave(2)
    with torch.autocast("cpu", torch.bfloat16):
        assert _nearest_is(embeddings, video).mean() == 1


def test_the_contrastive_term_needs_two_videos():
    with pytest.raises(ValueError, match=r"`per_device_train_batch_size` is 1.*set it to at least 2"):
        tiny(contrastive_weight=0.1).fit_to_batch(1, 4)
    tiny().fit_to_batch(1, 4)


def test_without_any_pair_the_contrastive_term_is_zero():
    assert contrastive_loss(torch.eye(3), torch.arange(3), 0.1) == 0


@pytest.mark.parametrize("positives", ["context", "pace"])
def test_the_contrastive_term_is_added_with_its_weight(positives):
    objective = tiny(contrastive_weight=0.5, contrastive_positives=positives).eval()
    inputs = batch(4, 2)
    features = objective.encoder(inputs["clips"].flatten(0, 1)).pooler_output
    ce = F.cross_entropy(objective.pace_head(features), inputs["paces"].flatten())
    alike = torch.arange(4).repeat_interleave(2) if positives == "context" else inputs["paces"].flatten()
    term = contrastive_loss(F.normalize(objective.projection(features)), alike, 0.1)
    output = objective(**inputs)
    assert output.loss.item() == pytest.approx((ce + 0.5 * term).item(), rel=1e-5)
    assert output.metrics["context_accuracy"].shape == (4,)


def test_a_few_clips_are_learnt():
    objective = tiny()
    optimizer = torch.optim.Adam(objective.parameters(), lr=0.01)
    for _ in range(30):
        output = objective(**batch())
        optimizer.zero_grad()
        output.loss.backward()
        optimizer.step()
    assert output.metrics["pace_accuracy"].mean() == 1
    assert all(parameter.grad is not None for parameter in objective.parameters())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"max_pace": 1}, "`max_pace` is 1; it must be at least 2"),
        ({"contrastive_weight": -1.0}, "`contrastive_weight` is -1.0; it must not be negative"),
        ({"embedding_size": 0}, "`embedding_size` is 0; it must be positive"),
        ({"temperature": 0.0}, "`temperature` is 0; it must be positive"),
        ({"contrastive_positives": "speed"}, "'context', 'pace'"),
    ],
)
def test_a_wrong_argument_is_named(wrong, message):
    with pytest.raises(ValueError, match=message):
        PaceArguments(**wrong)
