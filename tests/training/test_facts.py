from hf_selfdistill import C3DConfig, C3DForVideoClassification, C3DVideoProcessor
from hf_selfdistill.training.facts import model_facts


def test_a_folder_is_named_without_its_place_and_random_weights_have_no_base(tmp_path):
    model = C3DForVideoClassification(
        C3DConfig(hidden_sizes=[4, 8, 8, 8, 8], num_frames=8, image_size=16, pretrained_by="rspnet")
    )
    facts = model_facts(model, C3DVideoProcessor(frame_stride=2), str(tmp_path))
    assert facts == {
        "architecture": "C3DForVideoClassification",
        "model_type": "c3d",
        "base": tmp_path.name,
        "num_frames": 8,
        "frame_stride": 2,
        "target_fps": None,
        "pretrained_by": "rspnet",
    }
    for name, base in (("c3d", None), (None, None), ("user/model", "user/model")):
        assert model_facts(model, C3DVideoProcessor(), name)["base"] == base
