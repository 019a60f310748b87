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
