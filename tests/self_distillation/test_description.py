import pytest

from hf_selfdistill import SelfDistillationArguments
from hf_selfdistill.self_distillation.description import describe_method


@pytest.mark.parametrize(
    ("settings", "renewed"),
    [
        ({}, "at the beginning of every epoch"),
        ({"teacher_update": "steps", "teacher_update_steps": 5}, "every 5 steps"),
        ({"teacher_update": "ema"}, "after every step, as a moving average of decay 0.999"),
        ({"teacher_update": "frozen"}, "never"),
    ],
)
def test_the_teacher_is_described(tmp_path, settings, renewed):
    rows = describe_method(SelfDistillationArguments(str(tmp_path), **settings))
    assert rows["teacher renewed"] == renewed and rows["λ"] == "100"


def test_without_a_weight_there_is_no_teacher_to_describe(tmp_path):
    assert describe_method(SelfDistillationArguments(str(tmp_path), distill_weight=0)) == {"λ": "0"}
