import dataclasses

import pytest

from hf_selfdistill.self_distillation.arguments import SelfDistillationArguments


def test_defaults_are_the_documented_ones(tmp_path):
    args = SelfDistillationArguments(output_dir=str(tmp_path), use_cpu=True)
    assert (args.distill_weight, args.distill_reduction, args.distill_scale) == (100.0, "mean", "none")
    assert (args.teacher_update, args.teacher_norm, args.teacher_ema_decay) == ("epoch", "batch", 0.999)
    assert (args.max_grad_norm, args.remove_unused_columns) == (1.0, False)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"teacher_update": "emma"}, r"`teacher_update` is 'emma'; allowed are 'epoch', 'steps', 'ema', 'frozen'"),
        ({"distill_reduction": "max"}, r"allowed are 'mean', 'sum'"),
        ({"teacher_norm": "layer"}, r"allowed are 'batch', 'running'"),
        ({"distill_scale": "std"}, r"`distill_scale` is 'std'; allowed are 'none', 'unit', 'variance'"),
        ({"distill_scale": "variance", "distill_normalize": True}, r"`distill_scale` 'unit', but that is 'variance'"),
        ({"distill_weight": -1.0}, r"`distill_weight` is -1.0; λ must be 0"),
        ({"distill_weight": float("nan")}, r"`distill_weight` is nan"),
        (
            {"teacher_update": "steps"},
            r"`teacher_update` is 'steps'; set `teacher_update_steps` to the number",
        ),
        (
            {"teacher_update_steps": 5},
            r"`teacher_update_steps` is 5, but `teacher_update` is 'epoch'; remove it",
        ),
        ({"teacher_update": "steps", "teacher_update_steps": 0}, r"must be positive"),
        ({"teacher_ema_decay": 1.5}, r"`teacher_ema_decay` is 1.5"),
    ],
)
def test_a_wrong_argument_is_named_with_what_is_allowed(tmp_path, wrong, message):
    with pytest.raises(ValueError, match=message):
        SelfDistillationArguments(output_dir=str(tmp_path), use_cpu=True, **wrong)


def test_normalize_is_an_alias_that_a_replacement_of_the_scale_overrides(tmp_path):
    args = SelfDistillationArguments(output_dir=str(tmp_path), use_cpu=True, distill_normalize=True)
    assert args.distill_scale == "unit"
    assert dataclasses.replace(args, distill_scale="none").distill_scale == "none"
