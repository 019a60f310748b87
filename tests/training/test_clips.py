import datasets
import pytest
import torch

from hf_selfdistill import C3DConfig, C3DForVideoClassification, C3DVideoProcessor
from hf_selfdistill.data.transforms import ClipProcessor
from hf_selfdistill.training import clips
from hf_selfdistill.training.arguments import ClassificationArguments, VideoTrainingArguments
from hf_selfdistill.training.clips import balanced_class_weights, describe_clips, mix_clips, set_sampling


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
    ("given", "expected"),
    [((None, None), (2, 12.5)), ((1, None), (1, 12.5)), ((None, 5.0), (2, 5.0)), ((3, 8.0), (3, 8.0))],
)
def test_arguments_win_over_what_the_model_was_trained_with(tmp_path, given, expected):
    processor = C3DVideoProcessor(frame_stride=2, target_fps=12.5)
    set_sampling(processor, VideoTrainingArguments(str(tmp_path), frame_stride=given[0], target_fps=given[1]))
    assert ClipProcessor.sampling_of(processor) == expected


def test_by_default_frames_are_taken_as_they_come(tmp_path):
    processor = C3DVideoProcessor()
    set_sampling(processor, VideoTrainingArguments(str(tmp_path)))
    assert ClipProcessor.sampling_of(processor) == (1, None)


@pytest.mark.parametrize("antialias", [True, False])
def test_training_clips_are_resized_as_testing_clips(tmp_path, antialias):
    model = C3DForVideoClassification(C3DConfig(hidden_sizes=[4, 8, 8, 8, 8], num_frames=8, image_size=16))
    processor = C3DVideoProcessor(antialias=antialias, size={"shortest_edge": 16}, crop_size=16, do_normalize=False)
    args = ClassificationArguments(str(tmp_path))
    noise = torch.randint(256, (8, 3, 96, 96), dtype=torch.uint8)
    training = clips.training_clips(records([0]), model, processor, args)
    for part in (training, clips.testing_clips(records([0]), model, processor, 1)):
        assert (part.transform(noise).std() < 0.1) == antialias


def test_clips_are_described_with_their_frames_and_rate():
    model = C3DForVideoClassification(C3DConfig(hidden_sizes=[4, 8, 8, 8, 8], num_frames=8, image_size=16))
    processor = C3DVideoProcessor(frame_stride=2, target_fps=12.5)
    assert describe_clips(10, model, processor) == "10 clips of 8 frames, stride 2 at 12.5 fps"
    assert describe_clips(1, model, C3DVideoProcessor()) == "1 clip of 8 frames, stride 1"


def test_mixed_clips_have_the_shares_of_their_labels():
    torch.manual_seed(0)
    model = C3DForVideoClassification(C3DConfig(hidden_sizes=[4, 8, 8, 8, 8], num_labels=3))
    labels = torch.tensor([0, 1, 2, -100])
    brightness = torch.tensor([1.0, 2.0, 4.0, 0.0])
    clips = brightness.view(-1, 1, 1, 1, 1).expand(-1, 8, 3, 16, 16).contiguous()
    kinds = set()
    for _ in range(20):
        mixed = mix_clips({"pixel_values": clips, "labels": labels}, model, alpha=1.0)
        assert type(mixed["pixel_values"]) is torch.Tensor
        expected = mixed["labels"] @ torch.tensor([1.0, 2.0, 4.0])
        torch.testing.assert_close(mixed["pixel_values"].mean((1, 2, 3, 4)), expected)
        kinds.add(mixed["pixel_values"][1].unique().numel() > 1)
    assert kinds == {False, True}  # MixUp and CutMix
    assert clips[1].eq(2).all()
