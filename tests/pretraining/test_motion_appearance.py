from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader
from torchvision.transforms import v2
from transformers import VivitConfig, VivitModel, set_seed
from videos import write_video

from hf_selfdistill import C3DConfig, C3DModel, C3DVideoProcessor, R2Plus1DConfig, R2Plus1DModel
from hf_selfdistill.data.clips import collate_clips
from hf_selfdistill.data.decoding import VideoReader
from hf_selfdistill.data.transforms import seeded_draws
from hf_selfdistill.data.unlabelled import UnlabelledClips
from hf_selfdistill.pretraining import motion_appearance
from hf_selfdistill.pretraining.appearance_labels import appearance_labels
from hf_selfdistill.pretraining.motion_appearance import MotionAppearance
from hf_selfdistill.pretraining.motion_labels import motion_labels
from hf_selfdistill.pretraining.objective_arguments import MotionAppearanceArguments
from hf_selfdistill.pretraining.optical_flow import dense_flow

T = 8


def encoder(name: str = "c3d") -> torch.nn.Module:
    set_seed(0)
    if name == "vivit":
        return VivitModel(
            VivitConfig(
                image_size=16,
                num_frames=T,
                tubelet_size=(2, 8, 8),
                hidden_size=8,
                num_hidden_layers=1,
                num_attention_heads=2,
                intermediate_size=8,
            )
        )
    sizes = dict(num_frames=T, image_size=16)
    if name == "c3d":
        return C3DModel(C3DConfig(hidden_sizes=[4, 8, 8, 8, 8], **sizes))
    return R2Plus1DModel(R2Plus1DConfig(hidden_sizes=[4, 4, 8, 8, 8], **sizes))


def objective(name: str = "c3d", **arguments) -> MotionAppearance:
    return MotionAppearance(encoder(name), MotionAppearanceArguments(**arguments))


def processor(side: int = 16) -> C3DVideoProcessor:
    sizes = {"size": {"shortest_edge": side}, "crop_size": {"height": side, "width": side}}
    return C3DVideoProcessor(antialias=False, **sizes)


def moving_square(count: int, seed: int = 0, height: int = 64, width: int = 86) -> list[np.ndarray]:
    """A red square that wanders over a still bluish picture."""
    rng = np.random.default_rng(seed)
    background = np.kron(rng.integers(0, 160, (height // 4 + 1, width // 4 + 1, 3)), np.ones((4, 4, 1)))
    background = background[:height, :width].astype(np.uint8)
    background[..., 0] = 0
    texture = np.kron(rng.integers(120, 256, (6, 6)), np.ones((2, 2)))
    place, step = rng.uniform(10, 30, 2), rng.uniform(1, 2, 2)
    frames = []
    for number in range(count):
        top, left = (place + number * step).astype(int) % (height - 12, width - 12)
        frame = background.copy()
        frame[top : top + 12, left : left + 12] = 0
        frame[top : top + 12, left : left + 12, 0] = texture
        frames.append(frame)
    return frames


@pytest.fixture(scope="module")
def videos(tmp_path_factory) -> list[str]:
    folder = tmp_path_factory.mktemp("videos")
    options = {"crf": "1"}
    return [str(write_video(folder / f"{i}.mp4", moving_square(20, i), options=options)) for i in range(8)]


def draw(views, video: str, seed: int = 0) -> dict[str, torch.Tensor]:
    with VideoReader(video) as opened, seeded_draws(seed):
        return views(opened, video)


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def as_levels(clip: torch.Tensor, processor: C3DVideoProcessor) -> np.ndarray:
    """Normalised clips back to uint8."""
    mean, std = (torch.tensor(values)[:, None, None] for values in (processor.image_mean, processor.image_std))
    return ((clip * std + mean) * 255).round().byte().numpy()


def middle(frames: torch.Tensor) -> torch.Tensor:
    """What a model of side 48 sees of frames or flow, cut from the middle."""
    return v2.functional.center_crop(v2.functional.resize(frames, [55, 73], antialias=False), [48, 48])


def short(tmp_path: Path, count: int) -> str:
    return str(write_video(tmp_path / f"{count}.mp4", moving_square(count)))


@pytest.mark.parametrize("side", [16, 48])
def test_a_sample_is_a_normalised_clip_with_its_labels(videos, side):
    views = objective().views(processor(side))
    sample = draw(views, videos[0])
    assert {name: (value.shape, value.dtype) for name, value in sample.items()} == {
        "pixel_values": ((T, 3, side, side), torch.float32),
        "motion_labels": ((14,), torch.int64),
        "appearance_labels": ((13,), torch.int64),
    }
    assert (
        sample["appearance_labels"].tolist()
        == appearance_labels(as_levels(sample["pixel_values"], processor())).tolist()
    )


@pytest.mark.parametrize("flipped", [False, True])
def test_clip_and_flow_are_resized_cropped_and_mirrored_alike_and_u_keeps_its_sign(videos, flipped):
    views = objective().views(processor(48))
    views.crop = v2.Compose([v2.CenterCrop(48), v2.RandomHorizontalFlip(float(flipped))])
    sample = draw(views, videos[1], seed=3)
    with VideoReader(videos[1]) as reader:
        frames = reader.read(range(20))
    flow, clips = middle(dense_flow(frames[:-1], frames[1:])), middle(frames)
    if flipped:
        flow, clips = flow.flip(-1), clips.flip(-1)
    drawn = as_levels(sample["pixel_values"], processor())
    (start,) = [start for start in range(20 - T) if (clips[start : start + T].numpy() == drawn).all()]
    assert sample["motion_labels"].tolist() == motion_labels(flow[start : start + T].numpy()).tolist()


def test_the_block_with_the_most_motion_is_where_the_square_moves(videos):
    views = objective().views(processor(48))
    hits = total = 0
    for seed in range(5):
        for video in videos:
            sample = draw(views, video, seed)
            red = as_levels(sample["pixel_values"], processor())[:, 0] > 100
            near = torch.nn.functional.max_pool2d(torch.from_numpy(red).float(), 5, 1, 2).amax(0)  # its border too
            block = int(sample["motion_labels"][0]) - 1
            row, column = block // 4 * 12, block % 4 * 12
            if red.any():
                total += 1
                hits += bool(near[row : row + 12, column : column + 12].any())
    assert total > 25
    assert hits / total > 0.95


def test_clips_start_anywhere_and_leave_a_frame_for_the_last_flow(videos, monkeypatch):
    starts = []

    def stop(reader, wanted):
        starts.append(wanted[0])
        assert wanted == list(range(wanted[0], wanted[0] + T + 1))
        raise InterruptedError

    views = objective().views(processor())
    assert views.span == T + 1
    monkeypatch.setattr(VideoReader, "read", stop)
    for seed in range(200):
        with pytest.raises(InterruptedError):
            draw(views, videos[0], seed)
    assert set(starts) == set(range(20 - T))


def test_the_stride_of_the_processor_holds_while_flow_stays_that_to_the_next_frame(videos):
    strided = processor(48)
    strided.frame_stride = 2
    views = objective().views(strided)
    views.crop = v2.CenterCrop(48)
    sample = draw(views, videos[2])
    with VideoReader(videos[2]) as reader:
        frames = reader.read(range(20))
    clips, drawn = middle(frames), as_levels(sample["pixel_values"], strided)
    (taken,) = [
        range(start, start + 2 * T, 2)
        for start in range(4)
        if (clips[start : start + 2 * T : 2].numpy() == drawn).all()
    ]
    flow = middle(dense_flow(frames[list(taken)], frames[[number + 1 for number in taken]]))
    assert sample["motion_labels"].tolist() == motion_labels(flow.numpy()).tolist()


@pytest.mark.parametrize("count", [1, 2, 5, T, T + 1, 20])
@pytest.mark.parametrize("stride", [1, 3])
def test_samples_are_the_same_with_and_without_a_cache_cold_and_warm(tmp_path, count, stride):
    video = short(tmp_path, count)
    strided = processor()
    strided.frame_stride = stride
    cached = objective(flow_cache=str(tmp_path / "flow")).views(strided)
    without = draw(objective().views(strided), video)
    assert same(draw(cached, video), without)
    assert same(draw(cached, video), without)
    assert len(list((tmp_path / "flow").glob("*/*"))) == (count > 1)


def test_the_jump_where_a_short_video_begins_again_is_no_motion(tmp_path, monkeypatch):
    flows = []
    monkeypatch.setattr(motion_appearance, "dense_flow", lambda *a: flows.append(dense_flow(*a)) or flows[-1])
    draw(objective().views(processor()), short(tmp_path, 5))
    (flow,) = flows
    assert torch.equal(flow[4], flow[3])
    assert torch.equal(flow[5:], flow[:3])
    assert not torch.equal(flow[3], flow[2])


def test_a_video_of_one_frame_is_still(tmp_path):
    sample = draw(objective().views(processor()), short(tmp_path, 1))
    assert sample["motion_labels"].tolist() == [0] * 4 + [1] * 10
    assert sample["appearance_labels"][[0, 2, 4, 6, 8, 10]].tolist() == [1] * 6


def test_a_video_that_is_no_file_of_its_own_is_not_kept(tmp_path, videos):
    views = objective(flow_cache=str(tmp_path / "flow")).views(processor())
    with VideoReader(Path(videos[0]).read_bytes()) as reader, seeded_draws(0):
        sample = views(reader, "member.mp4")
    assert same(sample, draw(objective().views(processor()), videos[0]))
    assert list((tmp_path / "flow").iterdir()) == []


def test_forked_workers_give_the_samples_of_the_main_process(tmp_path, videos):
    copies = [shutil.copy(video, tmp_path) for video in videos[:4]]
    records = datasets.Dataset.from_dict({"video": [{"path": copy, "bytes": None} for copy in copies]})
    clips = UnlabelledClips(records, objective(flow_cache=str(tmp_path / "flow")).views(processor()))
    here = collate_clips([clips[index] for index in range(4)])  # OpenCV has now been used before workers are forked
    shutil.rmtree(tmp_path / "flow")
    (tmp_path / "flow").mkdir()
    there = list(DataLoader(clips, 2, collate_fn=collate_clips, num_workers=2, timeout=60))
    assert same({name: torch.cat([batch[name] for batch in there]) for name in here}, here)


@pytest.mark.parametrize("name", ["c3d", "r2plus1d", "vivit"])
def test_loss_is_the_weighted_sum_of_squared_errors_on_the_raw_numbers(name):
    model = objective(name, motion_weight=0.5, appearance_weight=2)
    clips = torch.randn(3, T, 3, 16, 16)
    motion, appearance = torch.randint(1, 9, (3, 14)), torch.randint(1, 9, (3, 13))
    output = model(pixel_values=clips, motion_labels=motion, appearance_labels=appearance)
    features = model.encoder(clips).pooler_output
    errors = [
        sum(
            (row @ head.weight[k] + head.bias[k] - label[k]) ** 2
            for row, label in zip(features, labels, strict=True)
            for k in columns
        )
        / (3 * len(columns))
        for head, labels, columns in (
            (model.motion_head, motion, range(14)),
            (model.appearance_head, appearance, range(13)),
        )
    ]
    assert output.metrics["motion_mse"].mean().item() == pytest.approx(errors[0].item(), rel=1e-4)
    assert output.metrics["appearance_mse"].mean().item() == pytest.approx(errors[1].item(), rel=1e-4)
    assert output.loss.item() == pytest.approx(0.5 * errors[0].item() + 2 * errors[1].item(), rel=1e-4)
    assert not any(metric.requires_grad for metric in output.metrics.values())


def test_block_accuracies_count_the_six_block_numbers_after_rounding():
    model = objective()
    motion, appearance = torch.full((2, 14), 3), torch.full((2, 13), 3)
    for head in (model.motion_head, model.appearance_head):
        torch.nn.init.zeros_(head.weight)
        torch.nn.init.constant_(head.bias, 3.4)
    motion[:, 0], motion[0, 2], motion[:, 1:12:2], motion[:, 12:] = 16, 4, 7, 9
    appearance[:, 10] = 1
    metrics = model(torch.randn(2, T, 3, 16, 16), motion, appearance).metrics
    assert metrics["motion_block_accuracy"].mean().item() == pytest.approx(9 / 12)
    assert metrics["appearance_block_accuracy"].mean().item() == pytest.approx(10 / 12)


def test_training_on_eight_clips_learns_their_labels(videos):
    model = objective()
    views = model.views(processor())
    batch = collate_clips([draw(views, video, seed) for seed, video in enumerate(videos)])
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    first = None
    for _ in range(150):
        output = model(**batch)
        first = output.loss.item() if first is None else first
        optimizer.zero_grad()
        output.loss.backward()
        optimizer.step()
    assert output.loss.item() < first / 20
    constant = batch["motion_labels"].float().var(0, correction=0).mean().item()  # the error of predicting means
    assert output.metrics["motion_mse"].mean().item() < constant / 4


def test_evaluation_changes_nothing():
    model = objective().eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model(torch.randn(2, T, 3, 16, 16), torch.ones(2, 14), torch.ones(2, 13))
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_views_can_be_sent_to_another_process(videos):
    views = objective().views(processor())
    sample = draw(views, videos[0])
    assert same(draw(pickle.loads(pickle.dumps(views)), videos[0]), sample)


def test_heads_are_saved_and_restored(tmp_path):
    saved, other = objective(), objective()
    torch.nn.init.ones_(saved.motion_head.weight)
    saved.save(tmp_path)
    other.load(tmp_path)
    assert torch.equal(other.motion_head.weight, saved.motion_head.weight)
    assert torch.equal(other.appearance_head.bias, saved.appearance_head.bias)


def test_what_cannot_work_is_refused_before_any_video_is_read(tmp_path):
    with pytest.raises(ValueError, match="20×20 pixels can't be divided into blocks"):
        objective().views(processor(20))
    with pytest.raises(ValueError, match="`num_frames` is 1; motion labels need at least 2"):
        still = R2Plus1DModel(R2Plus1DConfig(hidden_sizes=[4, 4, 8, 8, 8], num_frames=1))
        MotionAppearance(still, MotionAppearanceArguments()).views(processor())
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        objective(flow_cache=str(tmp_path / "file")).views(processor())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"flow": "raft"}, "`flow` is 'raft'; allowed are 'dis', 'tvl1'"),
        ({"motion_weight": -1}, "`motion_weight` is -1; it must be finite and not negative"),
        ({"appearance_weight": float("nan")}, "`appearance_weight` is nan"),
        ({"motion_weight": 0, "appearance_weight": 0}, "`motion_weight` and `appearance_weight` are 0"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        MotionAppearanceArguments(**arguments)


def test_it_is_restored_where_the_folder_for_flow_has_moved_but_not_with_another_flow(tmp_path):
    saved = objective(flow_cache=str(tmp_path / "here"))
    saved.save(tmp_path)
    for moved in (str(tmp_path / "there"), None):
        restored = objective(flow_cache=moved)
        torch.nn.init.zeros_(restored.motion_head.weight)
        restored.load(tmp_path)
        assert torch.equal(restored.motion_head.weight, saved.motion_head.weight)
    with pytest.raises(ValueError, match="trained with `flow` dis, not tvl1"):
        objective(flow="tvl1").load(tmp_path)
