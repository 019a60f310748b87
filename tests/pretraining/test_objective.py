import pytest
import torch
from safetensors.torch import load_file, save_file

from hf_selfdistill import C3DConfig, C3DModel
from hf_selfdistill.pretraining.objective import OBJECTIVE_NAME
from hf_selfdistill.pretraining.objective_arguments import PaceArguments
from hf_selfdistill.pretraining.pace import Pace


def test_the_file_holds_all_but_the_encoder_and_says_what_it_is(tiny_objective, tmp_path):
    objective = tiny_objective()
    objective.save(tmp_path)
    saved = load_file(tmp_path / OBJECTIVE_NAME)
    assert {name.split(".")[0] for name in saved} == {"heads", "key_encoder", "key_heads", "queue", "queue_start"}
    other = tiny_objective()
    other.queue.zero_()
    other.load(tmp_path)
    assert torch.equal(other.queue, objective.queue)


def test_a_file_of_another_objective_is_refused(tiny_objective, tmp_path):
    Pace(C3DModel(C3DConfig(hidden_sizes=[4, 8, 8, 8, 8])), PaceArguments()).save(tmp_path)
    with pytest.raises(ValueError, match="its objective is pace, not rspnet"):
        tiny_objective().load(tmp_path)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda file: file.unlink(), "No such file"),
        (lambda file: file.write_bytes(file.read_bytes()[:100]), "header|Header|deserializing"),
        (
            lambda file: save_file({"queue": torch.zeros(2)}, file, {"objective": "rspnet"}),
            "missing or unexpected weights",
        ),
    ],
)
def test_a_damaged_file_is_named_with_the_reason(tiny_objective, tmp_path, damage, reason):
    objective = tiny_objective()
    objective.save(tmp_path)
    damage(tmp_path / OBJECTIVE_NAME)
    with pytest.raises(ValueError, match=f"can't be restored from .*{OBJECTIVE_NAME}.*({reason})"):
        objective.load(tmp_path)


def test_other_arguments_do_not_fit(tiny_objective, tmp_path):
    tiny_objective(queue_size=8).save(tmp_path)
    with pytest.raises(ValueError, match="trained with `queue_size` 8, not 12"):
        tiny_objective(queue_size=12).load(tmp_path)
