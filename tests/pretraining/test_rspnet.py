from __future__ import annotations

import copy
from itertools import pairwise

import pytest
import torch
from transformers import set_seed
from videos import numbered_frames, write_video

from hf_selfdistill import C3DConfig, C3DModel, C3DVideoProcessor, R2Plus1DConfig, R2Plus1DModel
from hf_selfdistill.data.decoding import VideoReader
from hf_selfdistill.data.transforms import seeded_draws
from hf_selfdistill.pretraining import augmentation, rspnet
from hf_selfdistill.pretraining.objective_arguments import RSPNetArguments
from hf_selfdistill.pretraining.rspnet import RSPNet, RSPNetViews


def tiny(encoder: str = "c3d", **arguments) -> RSPNet:
    set_seed(0)
    sizes = dict(num_frames=8, image_size=16)
    if encoder == "c3d":
        model = C3DModel(C3DConfig(hidden_sizes=[4, 8, 8, 8, 8], **sizes))
    else:
        model = R2Plus1DModel(R2Plus1DConfig(hidden_sizes=[4, 4, 8, 8, 8], **sizes))
    return RSPNet(model, RSPNetArguments(**{"embedding_size": 6, "queue_size": 12, **arguments})).double()


def windows(videos: int = 4, seed: int = 1) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    frames = torch.randn(2, videos, 16, 3, 16, 16, generator=generator, dtype=torch.float64)
    return {"query_frames": frames[0], "key_frames": frames[1]}


def test_the_sum_of_both_losses_equals_the_released_code(monkeypatch):
    """On the inputs of test_rspnet_loss: the keys of the same clip's speed are asked for last."""

    def at(cosine):
        return [cosine, (1 - cosine**2) ** 0.5]

    appearance = {"query": [[1, 0], [0, 1]], "other": [[0.8, 0.6], [0.6, 0.8]], "same": [[0.6, 0.8], [0.8, 0.6]]}
    speed = {"query": [[1, 0], [1, 0]], "other": [at(0.8), at(0.45)], "same": [at(0.9), at(0.5)]}
    objective = tiny(embedding_size=2, queue_size=3).eval()
    objective.queue.copy_(torch.tensor([[0, 1], [-0.6, 0.8], [0.28, 0.96]]))
    answers = iter(("other", "same", "query"))

    def embed(features, heads):
        which = next(answers)
        return torch.tensor(appearance[which]).double(), torch.tensor(speed[which]).double()

    monkeypatch.setattr(objective, "_embed", embed)
    output = objective(**windows(2))
    assert output.metrics["instance_loss"][0].item() == pytest.approx(4.7934198, abs=1e-6)
    assert output.metrics["speed_loss"][0].item() == pytest.approx(0.9285717, abs=1e-6)
    assert output.loss.item() == pytest.approx(5.7219915, abs=1e-6)


def test_crops_have_the_models_size_and_values_of_0_to_1():
    processor = C3DVideoProcessor(crop_size={"height": 28, "width": 28}, image_mean=[0] * 3, image_std=[1] * 3)
    clip = RSPNetViews(processor, 4).augment(torch.randint(256, (4, 3, 64, 80), dtype=torch.uint8))
    assert clip.shape == (4, 3, 28, 28) and clip.dtype == torch.float32 and 0 <= clip.min() and clip.max() <= 1


def by_hand(objective: RSPNet, query_frames: torch.Tensor, key_frames: torch.Tensor):
    """The step from the formulas, video by video; encoders run on whole batches, for BatchNorm's sake."""
    tau, gamma = objective.arguments.temperature, objective.arguments.ranking_margin
    half = len(query_frames) // 2

    def cut(window, fast):
        return torch.stack([window[2 * i if fast else i] for i in range(8)])

    def unit(vectors):
        return torch.stack([v / v.square().sum().sqrt() for v in vectors])

    def embed(encoder, heads, clips):
        features = encoder(torch.stack(clips)).pooler_output
        return unit(heads["appearance"](features)), unit(heads["speed"](features))

    videos = range(len(query_frames))
    with torch.no_grad():
        keys = [
            embed(
                objective.key_encoder, objective.key_heads, [cut(key_frames[i], (i >= half) != other) for i in videos]
            )
            for other in (True, False)
        ]
    (other_a, other_s), (same_a, same_s) = keys
    query_a, query_s = embed(objective.encoder, objective.heads, [cut(query_frames[i], i >= half) for i in videos])
    loss = 0
    for i in videos:
        for key in (same_a[i], other_a[i]):
            logits = torch.stack([query_a[i] @ key, *(query_a[i] @ negative for negative in objective.queue)]) / tau
            loss = loss + (logits.exp().sum().log() - logits[0]) / len(videos)
        gap = (query_s[i] @ same_s[i] - query_s[i] @ other_s[i]) / tau
        loss = loss + torch.clamp(gamma - gap, min=0) / len(videos)
    return loss, other_a


@pytest.mark.parametrize("encoder", ["c3d", "r2plus1d"])
def test_loss_and_gradients_of_a_step_equal_the_formulas(encoder):
    objective = tiny(encoder)
    reference = copy.deepcopy(objective)
    output = objective(**windows())
    output.loss.backward()
    loss, _ = by_hand(reference, **windows())
    loss.backward()
    assert output.loss.item() == pytest.approx(loss.item(), rel=1e-10)
    gradients = dict(reference.named_parameters())
    trained = [name for name, parameter in objective.named_parameters() if parameter.requires_grad]
    assert len(trained) == len([name for name in gradients if name.startswith(("encoder.", "heads."))])
    for name in trained:
        mine, its = objective.get_parameter(name).grad, gradients[name].grad
        assert torch.allclose(mine, its, rtol=1e-5, atol=1e-10), name


def test_the_keys_of_the_other_speed_enter_the_queue_in_turn():
    objective = tiny()
    start = objective.queue.clone()
    expected = [by_hand(copy.deepcopy(objective), **windows())[1]]
    objective(**windows(seed=1))
    assert torch.allclose(objective.queue[:4], expected[0])
    assert torch.equal(objective.queue[4:], start[4:]) and objective.queue_start == 4
    for seed in (2, 3, 4):
        objective(**windows(seed=seed))
    assert objective.queue_start == 4  # 16 keys on 12 places
    assert torch.allclose(objective.queue.norm(dim=1), torch.ones(12, dtype=torch.float64))
    assert not torch.allclose(objective.queue[:4], expected[0])


def test_evaluation_leaves_queue_and_statistics_alone():
    objective = tiny().eval()
    before = copy.deepcopy(objective.state_dict())
    objective(**windows())
    assert all(torch.equal(value, before[name]) for name, value in objective.state_dict().items())


def test_the_key_encoder_follows_by_momentum_and_keeps_statistics_of_its_own():
    objective = tiny(key_momentum=0.9)
    for parameter in [*objective.encoder.parameters(), *objective.heads.parameters()]:
        parameter.data += 1
    name, head = "stages.0.layers.0.conv.weight", "appearance.weight"
    old, old_head = objective.key_encoder.get_parameter(name).clone(), objective.key_heads.get_parameter(head).clone()
    objective.begin_step()
    assert torch.allclose(objective.key_encoder.get_parameter(name), old + 0.1)
    assert torch.allclose(objective.key_heads.get_parameter(head), old_head + 0.1)
    objective(**windows())
    norm = "stages.0.layers.0.norm"
    mine, keys = objective.encoder.get_submodule(norm), objective.key_encoder.get_submodule(norm)
    assert (mine.num_batches_tracked, keys.num_batches_tracked) == (1, 2)
    assert not torch.allclose(mine.running_mean, keys.running_mean)


def test_only_encoder_and_heads_are_trained():
    objective = tiny()
    objective(**windows()).loss.backward()
    for name, parameter in objective.named_parameters():
        assert (parameter.grad is not None) == name.startswith(("encoder.", "heads.")), name


@pytest.mark.parametrize(("videos", "processes", "expected"), [(4, 1, 12), (5, 1, 10), (2, 3, 12), (12, 1, 12)])
def test_the_queue_is_cut_to_a_multiple_of_a_steps_videos(videos, processes, expected):
    objective = tiny()
    objective.fit_to_batch(videos, processes)
    assert len(objective.queue) == expected


@pytest.mark.parametrize(
    ("videos", "processes", "message"),
    [(1, 4, "at least 2 videos per process"), (7, 2, "`queue_size` is 12, smaller than the 14 videos of a step")],
)
def test_batches_that_do_not_do_are_refused(videos, processes, message):
    with pytest.raises(ValueError, match=message):
        tiny().fit_to_batch(videos, processes)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"queue_size": 0}, "`queue_size` is 0; it must be positive"),
        ({"key_momentum": 1.1}, "`key_momentum` is 1.1; it must lie between 0 and 1"),
        ({"temperature": 0.0}, "`temperature` is 0; it must be positive"),
        ({"ranking_margin": float("nan")}, "`ranking_margin` is nan; it must be finite"),
        ({"speed_weight": -1.0}, "`speed_weight` is -1.0; it must be finite and not negative"),
        ({"speed_weight": 0.0, "appearance_weight": 0.0}, "`appearance_weight` and `speed_weight` are 0"),
    ],
)
def test_a_wrong_argument_is_named(wrong, message):
    with pytest.raises(ValueError, match=message):
        RSPNetArguments(**wrong)


def test_half_of_a_batch_is_queried_at_double_speed():
    frames = torch.arange(16.0).expand(4, 16)[..., None, None, None]
    own, other = (clips.flatten(1).tolist() for clips in rspnet._at_two_speeds(frames))
    slow, fast = list(range(8)), list(range(0, 16, 2))
    assert own == [slow, slow, fast, fast]
    assert other == [fast, fast, slow, slow]


@pytest.fixture
def processor() -> C3DVideoProcessor:
    size = {"height": 16, "width": 16}
    return C3DVideoProcessor(size={"shortest_edge": 16}, crop_size=size, image_mean=[0] * 3, image_std=[1] * 3)


@pytest.fixture
def windows_read(monkeypatch) -> list[list[int]]:
    read: list[list[int]] = []

    def read_clips(reader, clips):
        read.extend(clips)
        return augmentation.read_clips(reader, clips)

    monkeypatch.setattr(rspnet, "read_clips", read_clips)
    return read


def test_both_windows_of_a_video_are_read_at_once(tmp_path, processor, windows_read):
    video = write_video(tmp_path / "v.mp4", numbered_frames(60, 32, 32))
    with VideoReader(video) as reader, seeded_draws(0):
        sample = tiny().views(processor)(reader, "v.mp4")
    first, second = windows_read
    assert first == list(range(first[0], first[0] + 16)) and second == list(range(second[0], second[0] + 16))
    assert first != second
    assert {name: tuple(frames.shape) for name, frames in sample.items()} == {
        "query_frames": (16, 3, 16, 16),
        "key_frames": (16, 3, 16, 16),
    }
    assert not torch.equal(sample["query_frames"], sample["key_frames"])


def test_windows_are_drawn_at_the_rate_that_the_processor_keeps(tmp_path, processor, windows_read):
    video = write_video(tmp_path / "v.mp4", numbered_frames(60, 32, 32))
    processor.frame_stride = 3
    with VideoReader(video) as reader, seeded_draws(0):
        tiny().views(processor)(reader, "v.mp4")
    assert {b - a for window in windows_read for a, b in pairwise(window)} == {3}


def test_a_short_video_repeats(tmp_path, processor, windows_read):
    video = write_video(tmp_path / "v.mp4", numbered_frames(10, 32, 32))
    with VideoReader(video) as reader, seeded_draws(0):
        tiny().views(processor)(reader, "v.mp4")
    assert windows_read[0] == [i % 10 for i in range(16)]


def test_a_few_clips_are_learnt():
    objective = tiny(temperature=0.2, ranking_margin=0.5).float()
    optimizer = torch.optim.SGD(objective.parameters(), lr=0.1, momentum=0.9)
    batch = {name: frames.float() for name, frames in windows().items()}
    losses = []
    for _ in range(80):
        objective.begin_step()
        output = objective(**batch)
        optimizer.zero_grad()
        output.loss.backward()
        optimizer.step()
        losses.append(output.metrics["speed_loss"].mean().item())
    assert losses[-1] < 0.3 * losses[0]
    assert output.metrics["speed_accuracy"].mean() == 1
