import pytest

from hf_selfdistill.models.configuration_video_encoder import VideoEncoderConfig


class HalvingConfig(VideoEncoderConfig):
    """Of an encoder that halves its clip twice."""

    model_type = "halving"
    minimum_clip = (4, 4)


def test_the_clip_is_the_papers_and_labels_are_classes():
    config = VideoEncoderConfig()
    assert (config.num_channels, config.num_frames, config.image_size) == (3, 16, 112)
    assert config.problem_type == "single_label_classification"


def test_an_encoder_says_how_small_a_clip_may_be():
    assert HalvingConfig(num_frames=4, image_size=4).num_frames == 4
    with pytest.raises(ValueError, match="HalvingConfig: `num_frames` is 3; it must be an integer of at least 4"):
        HalvingConfig(num_frames=3)


@pytest.mark.parametrize("wrong", [{"num_channels": 0}, {"num_frames": 1.5}, {"image_size": "112"}])
def test_sizes_are_whole_numbers_from_1(wrong):
    (name, value) = next(iter(wrong.items()))
    with pytest.raises(ValueError, match=f"`{name}` is {value!r}; it must be an integer of at least 1"):
        VideoEncoderConfig(**wrong)
