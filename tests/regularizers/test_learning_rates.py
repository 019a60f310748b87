import pytest
import torch

from hf_selfdistill.regularizers.learning_rates import with_rates


def test_groups_are_split_by_share_and_keep_their_settings():
    one, two, three = (torch.nn.Parameter(torch.ones(1)) for _ in range(3))
    groups = [{"params": [one, two], "weight_decay": 0.1}, {"params": [three], "weight_decay": 0.0}]
    optimizer = with_rates(torch.optim.SGD, {one: 0.5, two: 1.0, three: 0.5})(groups, lr=0.2, momentum=0.9)
    found = {
        id(parameter): (group["lr"], group["weight_decay"], group["momentum"])
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    assert found == {id(one): (0.1, 0.1, 0.9), id(two): (0.2, 0.1, 0.9), id(three): (0.1, 0.0, 0.9)}
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.2)
