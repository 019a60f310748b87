import pytest

from hf_selfdistill import C3DConfig, C3DForVideoClassification, R2Plus1DConfig, R2Plus1DForVideoClassification
from hf_selfdistill.runs.distance import distance_between


def test_equal_encoders_have_no_distance_and_two_architectures_are_refused():
    c3d = C3DForVideoClassification(C3DConfig(hidden_sizes=[4, 8, 8, 8, 8], num_frames=8, image_size=16))
    other = R2Plus1DForVideoClassification(R2Plus1DConfig(hidden_sizes=[4, 4, 8, 8, 8], num_frames=8, image_size=16))
    assert distance_between("a", c3d, "b", c3d) == 0
    with pytest.raises(ValueError, match=r"`before` a, a c3d, and `model_name_or_path` b, a r2plus1d: .* give as"):
        distance_between("a", c3d, "b", other)
