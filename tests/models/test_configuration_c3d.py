import json

import pytest
from transformers import AutoConfig

from hf_selfdistill import C3DConfig


def test_the_defaults_are_the_papers_encoder():
    config = C3DConfig()
    assert config.hidden_sizes == [64, 128, 256, 512, 512]
    assert config.depths == [1, 1, 2, 2, 2]
    assert (config.num_frames, config.image_size, config.num_channels) == (16, 112, 3)
    assert config.problem_type == "single_label_classification"


def test_a_saved_config_is_found_by_its_model_type(tmp_path):
    labels = {0: "run", 1: "jump", 2: "sit"}
    C3DConfig(hidden_sizes=[4, 8, 8, 8, 8], num_frames=8, image_size=16, id2label=labels).save_pretrained(tmp_path)
    loaded = AutoConfig.from_pretrained(tmp_path)
    assert isinstance(loaded, C3DConfig)
    assert (loaded.hidden_sizes, loaded.num_frames, loaded.image_size) == ([4, 8, 8, 8, 8], 8, 16)
    assert loaded.id2label == labels


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"hidden_sizes": [4, 8, 8, 8, 0]}, r"`hidden_sizes` is .*; it must be a list of integers of at least 1"),
        ({"hidden_sizes": []}, r"`hidden_sizes` is \[\]"),
        ({"hidden_sizes": 64}, "`hidden_sizes` is 64"),
        ({"hidden_sizes": "4,8"}, "`hidden_sizes` is '4,8'"),
        ({"hidden_sizes": [4.5, 8]}, "`hidden_sizes` is .4.5, 8"),
        ({"depths": [1, 1]}, r"`depths` \[1, 1\] and `hidden_sizes` .* differ in length"),
        ({"num_frames": 7}, "`num_frames` is 7; it must be an integer of at least 8"),
        ({"image_size": 15}, "`image_size` is 15; it must be an integer of at least 16"),
        ({"num_channels": 0}, "`num_channels` is 0"),
    ],
)
def test_wrong_sizes_are_refused_with_what_is_allowed(arguments, message):
    with pytest.raises(ValueError, match=message):
        C3DConfig(**arguments)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_labels": 10**9}, "`num_labels` is 1000000000; at most 100000 are allowed"),
        ({"depths": [10**9, 1, 1, 1, 1]}, "`depths` make 100000000[4-6] layers; at most 1000 are allowed"),
        (
            {"hidden_sizes": [64, 64, 64, 64, 10**9]},
            "`hidden_sizes` and `num_channels` make .* weights; at most 1000000000 are",
        ),
        (
            {"num_channels": 10**5, "image_size": 16, "num_frames": 8},
            "`hidden_sizes` and `num_channels` make .* weights; at most 1000000000 are",
        ),
        ({"num_frames": 10**9}, "1000000000 frames .`num_frames`. .* at most 268435456 are allowed"),
        ({"image_size": 10**9}, "1000000000 pixels .`image_size`. .* at most 268435456 are allowed"),
    ],
)
def test_sizes_of_a_saved_config_that_would_fill_the_memory_are_refused(changes, message, tmp_path):
    C3DConfig().save_pretrained(tmp_path)
    file = tmp_path / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    with pytest.raises(ValueError, match=message):
        AutoConfig.from_pretrained(tmp_path)
