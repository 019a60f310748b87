from hf_selfdistill.training.citations import works_behind


def test_architecture_and_pretraining_are_cited_where_known():
    architecture, pretraining = works_behind("c3d", "rspnet")
    assert "3D Convolutional Networks" in architecture and "RSPNet" in pretraining
    assert len(works_behind("c3d")) == 1
    assert "VideoMAE" in works_behind("videomae")[0]


def test_of_what_is_unknown_nothing_is_claimed():
    assert works_behind("vit", "somebody") == []
