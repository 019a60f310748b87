from types import SimpleNamespace

from hf_selfdistill.runs import page


def test_without_examples_a_model_of_other_classes_has_none(tmp_path):
    model = SimpleNamespace(config=SimpleNamespace(label2id={"run": 0}))
    assert page.example_videos(SimpleNamespace(model=model), None, tmp_path) == []
