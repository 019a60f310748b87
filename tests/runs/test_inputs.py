import pytest

from hf_selfdistill.runs.arguments import DatasetArguments
from hf_selfdistill.runs.inputs import hash_of_data, hashes_of_models, hashes_of_parts


@pytest.mark.parametrize("weights", ["model.safetensors", "pytorch_model.bin"])
def test_a_model_is_known_by_its_weights_wherever_it_lies(tmp_path, weights):
    for place, content in (("a", b"1"), ("b", b"1"), ("c", b"2")):
        (tmp_path / place).mkdir()
        (tmp_path / place / "config.json").write_text("{}")
        (tmp_path / place / weights).write_bytes(content)
    (tmp_path / "b" / "objective.safetensors").write_bytes(b"heads, which fine-tuning does not read")
    one, moved, other = (hashes_of_models(encoder=str(tmp_path / place)) for place in "abc")
    assert one == moved != other and one.keys() == {"encoder"}
    assert hashes_of_models(encoder="c3d", before="someone/model") == {}


def test_a_video_more_changes_the_hash_of_its_part_alone(shapes):
    parts = DatasetArguments(dataset="moving_shapes", dataset_root=str(shapes)).load()
    whole = hashes_of_parts(parts)
    fewer = hashes_of_parts({**parts, "test": parts["test"].select(range(1, len(parts["test"])))})
    assert whole.keys() == {"train", "validation", "test"}
    assert [name for name in whole if whole[name] != fewer[name]] == ["test"]


def test_a_data_set_is_another_one_where_its_parts_have_changed_places(shapes):
    parts = DatasetArguments(dataset="moving_shapes", dataset_root=str(shapes)).load()
    assert hash_of_data(dict(parts)) == hash_of_data(dict(reversed(parts.items())))
    assert hash_of_data({**parts, "train": parts["test"], "test": parts["train"]}) != hash_of_data(parts)
