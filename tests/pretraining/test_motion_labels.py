from __future__ import annotations

import math

import numpy as np
import pytest

from hf_selfdistill.pretraining.motion_labels import motion_labels

STILL = (0, 0, 1, 1, 1, 1)  # grid, rings, triangles of a component without boundaries


def u_of(labels: np.ndarray) -> tuple[int, ...]:
    return tuple(labels[[0, 1, 4, 5, 8, 9]].tolist())


def v_of(labels: np.ndarray) -> tuple[int, ...]:
    return tuple(labels[[2, 3, 6, 7, 10, 11]].tolist())


def by_loops(flow: np.ndarray) -> list[int]:
    """The labels pixel by pixel, after the paper's description and the released code's numbering."""
    frames, _, side, _ = flow.shape
    labels = []
    totals, sums = np.zeros((2, frames)), np.zeros((2, 2, side, side))
    for t in range(frames):
        for c in range(2):
            for y in range(side):
                for x in range(side):
                    dx = dy = 0.0
                    for i in (-1, 0, 1):
                        for j in (-1, 0, 1):
                            value = flow[t, c, min(max(y - i, 0), side - 1), min(max(x - j, 0), side - 1)]
                            dx, dy = dx + j * value, dy + i * value
                    totals[c, t] += math.sqrt(dx * dx + dy * dy)
                    sums[c, 0, y, x] += dx
                    sums[c, 1, y, x] += dy

    def grid(y, x):
        return [4 * (4 * y // side) + 4 * x // side + 1]

    def rings(y, x):
        outside = min(y, x, side - 1 - y, side - 1 - x) * 8 // side
        return [4 - outside]

    def triangles(y, x):
        half = side // 2
        top, left, i, j = y < half, x < half, y % half, x % half
        if top == left:
            names = [1 if top else 7] * (j <= i) + [2 if top else 8] * (j >= i)
        else:
            names = [3 if top else 5] * (i + j <= half - 1) + [4 if top else 6] * (i + j >= half - 1)
        return names

    for pattern, count in ((grid, 16), (rings, 4), (triangles, 8)):
        for c in range(2):
            magnitude, area, votes = np.zeros(count), np.zeros(count), np.zeros((count, 8))
            for y in range(side):
                for x in range(side):
                    dx, dy = sums[c, :, y, x]
                    strength, angle = math.sqrt(dx * dx + dy * dy), math.degrees(math.atan2(dy, dx)) % 360
                    share = angle % 45 / 45
                    for block in pattern(y, x):
                        magnitude[block - 1] += strength
                        area[block - 1] += 1
                        votes[block - 1, int(angle // 45) % 8] += strength * (1 - share)
                        votes[block - 1, (int(angle // 45) + 1) % 8] += strength * share
            best = int((magnitude / area).argmax())
            labels += [best + 1, int(votes[best].argmax()) + 1]
    return [*labels, *(int(total[: frames - 1].argmax()) + 1 for total in totals)]


@pytest.mark.parametrize(("side", "frames"), [(16, 4), (24, 2), (8, 3)])
def test_labels_equal_those_of_slow_loops(side, frames):
    rng = np.random.default_rng(side)
    for _ in range(5):
        flow = rng.normal(size=(frames, 2, side, side)).cumsum(2).cumsum(3)
        assert motion_labels(flow).tolist() == by_loops(flow.astype(np.float32).astype(float))
        levels = rng.integers(0, 256, flow.shape, dtype=np.uint8)
        assert motion_labels(levels).tolist() == by_loops(levels.astype(float))


def test_a_small_moving_square_is_found_in_all_three_patterns():
    flow = np.zeros((16, 2, 32, 32))
    flow[:, 0, 9:11, 17:19] = 3  # to the right of the middle in the upper half; its boundary is one pixel wide
    flow[:, 1, 29:31, 1:3] = -2  # in the lower left corner
    labels = motion_labels(flow)
    assert u_of(labels)[::2] == (7, 2, 3)
    assert v_of(labels)[::2] == (13, 4, 5)


@pytest.mark.parametrize("label", range(1, 9))
@pytest.mark.parametrize("component", [0, 1])
def test_orientation_points_to_where_the_flow_is_smaller(component, label):
    angle = (label - 1) * math.pi / 4
    y, x = np.mgrid[:16, :16]
    flow = np.zeros((2, 2, 16, 16))
    flow[:, component] = 20 - math.cos(angle) * x - math.sin(angle) * y
    labels = motion_labels(flow)
    moving, still = (u_of, v_of) if component == 0 else (v_of, u_of)
    assert moving(labels)[1::2] == (label, label, label)
    assert still(labels) == STILL


def test_a_vote_is_divided_between_the_bins_beside_its_angle():
    flow = np.zeros((2, 2, 16, 16))
    y, x = np.mgrid[:16, :16]
    for degrees, label in ((20, 1), (25, 2), (340, 1), (335, 8)):
        flow[:, 0] = -math.cos(math.radians(degrees)) * x - math.sin(math.radians(degrees)) * y
        assert u_of(motion_labels(flow))[1] == label


def test_the_last_labels_are_the_frames_with_the_most_motion():
    flow = np.zeros((16, 2, 16, 16))
    flow[:, :, 4:8, 4:8] = 1
    flow[10, 0, 4:8, 4:8] = 2
    flow[14, 1, 4:8, 4:8] = -2
    flow[15, 1, 4:8, 4:8] = 5  # of a clip's last frame the released code takes no notice
    assert motion_labels(flow)[12:].tolist() == [11, 15]


def test_opposite_motion_cancels_in_the_blocks_but_not_in_the_frames():
    flow = np.zeros((3, 2, 16, 16))
    flow[0, 0, :4, :4], flow[1, 0, :4, :4] = 1, -1
    flow[1, 0, 8:12, 8:12] = 0.5
    labels = motion_labels(flow)
    assert labels[0] == 11
    assert labels[12] == 2


@pytest.mark.parametrize("value", [0, 5.5, -20])
def test_flow_without_boundaries_gives_nothing_in_the_grid_and_the_first_elsewhere(value):
    labels = motion_labels(np.full((16, 2, 16, 16), value))
    assert labels.tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]


def test_the_unit_and_the_zero_of_flow_do_not_matter():
    levels = np.random.default_rng(0).integers(0, 256, (4, 2, 16, 16))
    assert (motion_labels(levels.astype(np.uint8)) == motion_labels(levels * 40 / 255 - 20)).all()


def test_flow_that_changes_its_sign_turns_all_orientations_by_half():
    flow = np.random.default_rng(0).normal(size=(4, 2, 16, 16))
    labels, turned = motion_labels(flow), motion_labels(-flow)
    assert (labels[0:12:2] == turned[0:12:2]).all()
    assert ((labels[1:12:2] - turned[1:12:2]) % 8 == 4).all()
