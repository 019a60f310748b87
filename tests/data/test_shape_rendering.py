import numpy as np
import pytest
import torch

from hf_selfdistill.data.shape_rendering import (
    FINETUNING_MOTIONS,
    MOTIONS,
    OPPOSITES,
    PRETRAINING_MOTIONS,
    ShapeLook,
    render_moving_shape,
)


def _render(motion, seed):
    rng = np.random.default_rng(seed)
    return render_moving_shape(motion, ShapeLook.draw(rng, 64), 32, rng)


def _silhouette(motion, seed):
    """Share of each pixel that the shape covers, `(T, H, W)`."""
    rng = np.random.default_rng(seed)
    white_on_black = ShapeLook(ShapeLook.draw(rng, 64).mask, torch.ones(3, 1, 1), torch.zeros(3, 64, 64))
    return render_moving_shape(motion, white_on_black, 32, rng)[..., 0] / 255


def _centres(weights):
    """Centres of mass on a frame whose borders meet, `(T, 2)` in pixels."""
    turns = np.exp(2j * np.pi * np.arange(64) / 64)
    return np.stack([np.angle((weights.sum(axis) * turns).sum(-1)) for axis in (1, 2)], axis=1) * 64 / (2 * np.pi)


def _nearer_way(distances, period=64):
    return (distances + period / 2) % period - period / 2


def _steps(weights):
    """Movement of the centre of mass from frame to frame, `(T - 1, 2)` in pixels."""
    return _nearer_way(np.diff(_centres(weights), axis=0))


def _turns(weights):
    """Turning of the long axis from frame to frame, `(T - 1,)` in radians, clockwise as y points down."""
    x, y = (_nearer_way(np.arange(64) - centre[:, None]) for centre in _centres(weights).T)
    xx, yy = (weights.sum(1) * x**2).sum(1), (weights.sum(2) * y**2).sum(1)
    xy = np.einsum("tyx,tx,ty->t", weights, x, y)
    return _nearer_way(np.diff(np.arctan2(2 * xy, xx - yy) / 2), np.pi)


def _clockwise(steps):
    """How much a path bends to the right, y pointing down, `(T - 2,)`."""
    return steps[:-1, 0] * steps[1:, 1] - steps[:-1, 1] * steps[1:, 0]


def test_motions_are_two_families_of_pairs_without_a_common_member():
    assert not set(PRETRAINING_MOTIONS) & set(FINETUNING_MOTIONS)
    assert PRETRAINING_MOTIONS + FINETUNING_MOTIONS == MOTIONS
    assert all(OPPOSITES[OPPOSITES[motion]] == motion != OPPOSITES[motion] for motion in MOTIONS)
    for family in (PRETRAINING_MOTIONS, FINETUNING_MOTIONS):
        assert {OPPOSITES[motion] for motion in family} == set(family)


@pytest.mark.parametrize("motion", MOTIONS)
def test_an_opposite_motion_is_the_same_video_played_backwards(motion):
    frames, opposite = _render(motion, seed=5), _render(OPPOSITES[motion], seed=5)
    np.testing.assert_array_equal(frames, opposite[::-1])
    assert np.abs(frames.astype(int) - opposite).max() > 50


@pytest.mark.parametrize(
    ("motion", "direction"),
    [
        ("moving_left", (-1, 0)),
        ("moving_right", (1, 0)),
        ("moving_up", (0, -1)),
        ("moving_down", (0, 1)),
        ("moving_up_left", (-1, -1)),
        ("moving_down_right", (1, 1)),
        ("moving_up_right", (1, -1)),
        ("moving_down_left", (-1, 1)),
    ],
)
def test_translations_go_where_their_names_say(motion, direction):
    for seed in range(5):
        step = np.median(_steps(_silhouette(motion, seed)), axis=0)
        speed = np.linalg.norm(step)
        np.testing.assert_allclose(step / speed, direction / np.linalg.norm(direction), atol=0.02)
        assert 64 / 24 - 0.1 < speed < 64 / 12 + 0.1


class StartingElsewhere:
    """Draws what another generator draws, but the first two numbers, the centre, half a frame on."""

    def __init__(self, rng, shift):
        self.rng, self.shift = rng, np.array(shift)

    def uniform(self, *args):
        shift, self.shift = self.shift, None
        drawn = self.rng.uniform(*args)
        return drawn if shift is None else (drawn + shift) % 1


@pytest.mark.parametrize("motion", MOTIONS)
@pytest.mark.parametrize("shift", [(0.5, 0), (0, 0.5)])
def test_a_video_whose_halves_are_swapped_is_one_as_likely_as_before(motion, shift):
    look = ShapeLook(ShapeLook.draw(np.random.default_rng(1), 64).mask, torch.ones(3, 1, 1), torch.zeros(3, 64, 64))
    frames = render_moving_shape(motion, look, 16, np.random.default_rng(2))
    elsewhere = render_moving_shape(motion, look, 16, StartingElsewhere(np.random.default_rng(2), shift))
    columns, rows = (round(64 * part) for part in shift)
    np.testing.assert_allclose(
        elsewhere.astype(int), np.roll(frames, (rows, columns), axis=(1, 2)).astype(int), atol=1
    )


@pytest.mark.parametrize(("motion", "sign"), [("clockwise", 1), ("counterclockwise", -1)])
def test_turning_and_circling_go_round_as_their_names_say(motion, sign):
    for seed in range(5):
        circling, turning = (_silhouette(f"{kind}_{motion}", seed) for kind in ("circling", "turning"))
        assert (sign * _clockwise(_steps(circling)) > 0).all()
        assert np.abs(_turns(circling)).max() < 0.1
        assert 2 * np.pi / 24 - 0.1 < sign * np.median(_turns(turning)) < 2 * np.pi / 12 + 0.1
        assert np.abs(_steps(turning)).max() < 1


def test_growing_shapes_grow_but_for_where_they_start_anew():
    for seed in range(5):
        areas = _silhouette("growing", seed).sum((1, 2))
        assert (np.diff(areas) > 0).mean() > 0.8
        assert areas.max() > 3 * areas.min()


def _held_out_accuracy(features):
    """Ridge regression on the classes: trained on the first two thirds of the videos, tested on the others.

    Args:
        features: `(videos, classes, …)`.
    """
    features = features.reshape(*features.shape[:2], -1)
    train, test = np.split(features, [2 * len(features) // 3])
    mean, std = train.mean((0, 1)), train.std((0, 1)) + 1e-6
    train, test = ((part - mean) / std for part in (train, test))
    targets = np.tile(np.eye(len(MOTIONS)), (len(train), 1))
    train, labels = train.reshape(-1, train.shape[-1]), np.tile(np.arange(len(MOTIONS)), len(test))
    kernel = train @ train.T
    weights = train.T @ np.linalg.solve(kernel + 0.1 * kernel.trace() / len(kernel) * np.eye(len(kernel)), targets)
    return ((test @ weights).argmax(-1).ravel() == labels).mean()


@pytest.fixture(scope="module")
def videos():
    """Grey videos, no two with the same shape, colours or background: `(videos, classes, T, H, W)`."""
    rendered = [_render(motion, [video, index]) for video in range(24) for index, motion in enumerate(MOTIONS)]
    return np.stack(rendered).mean(-1).reshape(24, len(MOTIONS), 32, 64, 64)


def _small(images):
    return images.reshape(*images.shape[:-2], 16, 4, 16, 4).mean((-1, -3))


def test_neither_a_frame_nor_the_mean_of_all_tells_the_class(videos):
    assert _held_out_accuracy(_small(videos[:, :, 16])) < 0.18  # chance 0.07, standard error 0.024
    assert _held_out_accuracy(_small(videos.mean(2))) < 0.18


def test_no_statistic_of_a_frame_differs_between_the_classes(videos):
    grey = videos[:, :, ::8].mean((-1, -2))  # brightness tells size
    per_class = grey.mean((0, 2))
    standard_error = grey.mean(2).std(0).mean() / np.sqrt(len(videos))
    assert np.abs(per_class - per_class.mean()).max() < 4 * standard_error


def _motion_statistics(video):
    foreground = np.clip(video - np.percentile(video, 20, axis=0), 0, None) ** 2
    steps, sizes = _steps(foreground), np.log(foreground.sum((1, 2)) + 1)
    bends = _clockwise(steps)
    speed = np.linalg.norm(np.median(steps, axis=0))
    return [*np.median(steps, axis=0), speed, *(np.sign(f).mean() for f in (bends, np.diff(sizes))), np.std(sizes)]


def test_simple_statistics_of_the_motion_tell_the_class(videos):
    features = np.array([[_motion_statistics(video) for video in row] for row in videos])
    assert _held_out_accuracy(features) > 0.5
