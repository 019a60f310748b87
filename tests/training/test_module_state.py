import pytest
import torch
from torch import nn

from hf_selfdistill.training.module_state import ModuleState


def test_a_module_comes_back_from_its_file_with_its_buffers(tmp_path):
    one, other = nn.BatchNorm1d(3), nn.BatchNorm1d(3)
    one(torch.randn(5, 3))
    ModuleState(one, "norm.safetensors").save(tmp_path)
    ModuleState(other, "norm.safetensors").load(tmp_path)
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in one.state_dict().items())


@pytest.mark.parametrize("content", [None, b"cut short"])
def test_a_missing_or_damaged_file_is_named(tmp_path, content):
    if content is not None:
        (tmp_path / "norm.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match=r"norm\.safetensors can't be restored.*resume from another checkpoint"):
        ModuleState(nn.BatchNorm1d(3), "norm.safetensors").load(tmp_path)
