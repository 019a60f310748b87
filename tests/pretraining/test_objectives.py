from typing import get_args, get_type_hints

from hf_selfdistill.pretraining.arguments import PretrainingArguments
from hf_selfdistill.pretraining.objectives import OBJECTIVES


def test_the_command_offers_every_objective_by_the_name_that_it_has():
    assert get_args(get_type_hints(PretrainingArguments)["objective"]) == tuple(OBJECTIVES)
    assert all(objective.name == name for name, objective in OBJECTIVES.items())
