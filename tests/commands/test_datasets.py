import datasets
import pytest
import torch

from hf_selfdistill import C3DVideoProcessor
from hf_selfdistill.commands.datasets import (
    DatasetArguments,
    SamplingArguments,
    balanced_class_weights,
    sampling_rate,
)
from hf_selfdistill.data.moving_shapes import write_moving_shapes


def records(labels):
    features = datasets.Features(label=datasets.ClassLabel(names=["a", "b", "c"]))
    return datasets.Dataset.from_dict({"label": labels}, features=features)


def test_balanced_weights_are_inverse_to_frequency_and_one_on_average_over_the_videos():
    labels = [0] * 6 + [1] * 3 + [2]
    weights = balanced_class_weights(records(labels))
    torch.testing.assert_close(weights, torch.tensor([10 / 18, 10 / 9, 10 / 3]))
    assert weights[torch.tensor(labels)].mean().item() == pytest.approx(1.0)


def test_a_class_without_videos_does_not_divide_by_zero():
    assert torch.isfinite(balanced_class_weights(records([0, 1]))).all()


@pytest.mark.parametrize(
    ("asked", "expected"),
    [((None, None), (2, 12.5)), ((1, None), (1, 12.5)), ((None, 5.0), (2, 5.0)), ((3, 8.0), (3, 8.0))],
)
def test_what_is_asked_for_wins_over_what_the_model_was_trained_with(asked, expected):
    processor = C3DVideoProcessor(frame_stride=2, target_fps=12.5)
    assert sampling_rate(processor, SamplingArguments(*asked)) == expected


def test_by_default_frames_are_taken_as_they_come():
    assert sampling_rate(C3DVideoProcessor(), SamplingArguments()) == (1, None)


@pytest.mark.parametrize(
    ("asked", "named"),
    [((0, None), "frame_stride is 0"), ((-2, None), "frame_stride is -2"), ((None, 0.0), "target_fps")],
)
def test_a_rate_that_is_not_positive_is_refused(asked, named):
    with pytest.raises(ValueError, match=f"{named}.* must be positive"):
        sampling_rate(C3DVideoProcessor(), SamplingArguments(*asked))


def test_videos_of_one_class_are_refused(tmp_path):
    write_moving_shapes(tmp_path, ("moving_left",), videos_per_class=8, num_frames=4, size=16)
    with pytest.raises(ValueError, match="all videos of --dataset moving_shapes are of one class, moving_left; give"):
        DatasetArguments(dataset="moving_shapes", dataset_root=str(tmp_path)).load()
