import json

import pytest
from transformers import AutoConfig

from hf_selfdistill import R2Plus1DConfig


def test_the_defaults_are_the_papers_encoder():
    config = R2Plus1DConfig()
    assert config.hidden_sizes == [64, 64, 128, 256, 512]
    assert config.depths == [1, 1, 1, 1]
    assert config.problem_type == "single_label_classification"


def test_a_saved_config_is_found_by_its_model_type(tmp_path):
    config = R2Plus1DConfig(depths=[2, 2, 2, 2], mid_sizes="per_block", stem_mid_size=45, shortcut="plain")
    config.save_pretrained(tmp_path)
    loaded = AutoConfig.from_pretrained(tmp_path)
    assert isinstance(loaded, R2Plus1DConfig)
    assert (loaded.mid_sizes, loaded.stem_mid_size, loaded.shortcut) == ("per_block", 45, "plain")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"hidden_sizes": [64, 64, 128, 256, 1]}, "`hidden_sizes` is .*; it must be a list of integers of at least 2"),
        ({"depths": [1, 1, 1, 1, 1]}, r"`depths` \[1, 1, 1, 1, 1\] does not fit `hidden_sizes`"),
        ({"depths": [0, 1, 1, 1]}, r"`depths` is \[0, 1, 1, 1\]"),
        ({"mid_sizes": "mm"}, "`mid_sizes` is 'mm'; allowed are per_conv, per_block"),
        ({"shortcut": "A"}, "`shortcut` is 'A'; allowed are factored, plain"),
        ({"num_frames": 0}, "`num_frames` is 0"),
    ],
)
def test_wrong_values_are_refused_with_what_is_allowed(arguments, message):
    with pytest.raises(ValueError, match=message):
        R2Plus1DConfig(**arguments)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_labels": 10**9}, "`num_labels` is 1000000000; at most 100000 are allowed"),
        ({"depths": [10**9, 1, 1, 1]}, "`depths` make 100000000[4-6] layers; at most 1000 are allowed"),
        (
            {"hidden_sizes": [64, 64, 64, 64, 10**9]},
            "`hidden_sizes` and `num_channels` make .* weights; at most 1000000000 are",
        ),
        ({"stem_mid_size": 10**9}, "`stem_mid_size` is 1000000000; at most 10000 are allowed"),
        (
            {"num_channels": 10**5, "image_size": 16, "num_frames": 8},
            "`hidden_sizes` and `num_channels` make .* weights; at most 1000000000 are",
        ),
        ({"num_frames": 10**9}, "1000000000 frames .`num_frames`. .* at most 268435456 are allowed"),
        ({"image_size": 10**9}, "1000000000 pixels .`image_size`. .* at most 268435456 are allowed"),
    ],
)
def test_sizes_of_a_saved_config_that_would_fill_the_memory_are_refused(changes, message, tmp_path):
    R2Plus1DConfig().save_pretrained(tmp_path)
    file = tmp_path / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    with pytest.raises(ValueError, match=message):
        AutoConfig.from_pretrained(tmp_path)
