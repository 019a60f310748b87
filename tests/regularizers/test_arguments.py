import pytest

from hf_selfdistill.regularizers.arguments import RegularizerArguments


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"regularizer": "l2sp"}, "`regularizer` is 'l2sp'; allowed are 'self_distillation'"),
        ({"l2_sp_weight": -1.0}, "`l2_sp_weight` is -1.0; it must not be negative"),
        ({"layer_lr_decay": 0.0}, "`layer_lr_decay` is 0; it must be positive"),
        ({"layer_lr_decay": 1.5}, "`layer_lr_decay` is 1.5; it must lie between 0 and 1"),
        ({"encoder_lr_share": 2.0}, "`encoder_lr_share` is 2; it must lie between 0 and 1"),
        ({"ps_kd_weight": -0.5}, "`ps_kd_weight` is -0.5; it must lie between 0 and 1"),
        ({"head_init": "zeros"}, "`head_init` is 'zeros'; allowed are 'random', 'linear_probe'"),
        ({"wise_ft_weights": [0.5, 1.5]}, "`wise_ft_weights` is 1.5; it must lie between 0 and 1"),
        ({"wise_ft_weights": []}, "`wise_ft_weights` is empty"),
    ],
)
def test_a_wrong_argument_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        RegularizerArguments(**wrong)
