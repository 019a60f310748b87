import json

import pytest
import torch
from safetensors import safe_open

from hf_selfdistill.data.whole_files import whole_file, write_json, write_tensors, write_whole


def test_a_file_is_replaced_whole_and_nothing_is_left_beside_it(tmp_path):
    file = tmp_path / "a.txt"
    write_whole(file, "old")
    write_whole(file, "new ü")
    assert file.read_text(encoding="utf-8") == "new ü" and [f.name for f in tmp_path.iterdir()] == ["a.txt"]


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    file = tmp_path / "a.txt"
    write_whole(file, "old")

    def full(self, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(file), "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(file, "new")
    assert file.read_text() == "old" and [f.name for f in tmp_path.iterdir()] == ["a.txt"]


def test_json_has_an_element_of_a_list_in_a_line(tmp_path):
    values = {"a": [{"x": 1}, {"x": "ä"}], "b": {"c": 1}, "d": [], "e": None}
    write_json(tmp_path / "a.json", values)
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(text) == values and '    {"x": "ä"}\n' in text


def test_a_file_that_others_write_is_moved_into_place_only_if_it_is_whole(tmp_path):
    file = tmp_path / "a.bin"
    file.write_bytes(b"old")
    with pytest.raises(OSError, match="full"), whole_file(file) as unfinished:
        unfinished.write_bytes(b"ha")
        raise OSError("full")
    assert file.read_bytes() == b"old"
    with whole_file(file) as unfinished:
        unfinished.write_bytes(b"new")
        assert file.read_bytes() == b"old"
    assert file.read_bytes() == b"new" and [f.name for f in tmp_path.iterdir()] == ["a.bin"]


def test_tensors_of_any_memory_format_come_back_with_the_texts_about_them(tmp_path):
    weight = torch.randn(2, 3, 4, 4, 4).to(memory_format=torch.channels_last_3d)
    write_tensors(tmp_path / "a.safetensors", {"weight": weight}, {"objective": "pace"})
    with safe_open(tmp_path / "a.safetensors", "pt") as saved:
        assert torch.equal(saved.get_tensor("weight"), weight) and saved.metadata() == {"objective": "pace"}
    assert [f.name for f in tmp_path.iterdir()] == ["a.safetensors"]
