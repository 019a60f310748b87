from transformers import VideoMAEConfig, ViTConfig

from hf_selfdistill.models import C3DConfig
from hf_selfdistill.training.citations import PRETRAINED_BY, works_behind


def test_architecture_and_pretraining_are_cited_where_known(tmp_path):
    C3DConfig(**{PRETRAINED_BY: "rspnet"}).save_pretrained(tmp_path)  # as a converted encoder is saved
    architecture, pretraining = works_behind(C3DConfig.from_pretrained(tmp_path))
    assert "3D Convolutional Networks" in architecture and "RSPNet" in pretraining
    assert len(works_behind(C3DConfig())) == 1
    assert "VideoMAE" in works_behind(VideoMAEConfig())[0]


def test_of_what_is_unknown_nothing_is_claimed():
    assert works_behind(ViTConfig()) == []
