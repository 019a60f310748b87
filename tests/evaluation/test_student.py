import pytest

from hf_selfdistill.evaluation.student import student


@pytest.mark.parametrize(
    ("degrees_of_freedom", "tabulated"),
    [(1, 12.706), (10, 2.228), (11, 2.201), (15, 2.131), (19, 2.093), (30, 2.042), (120, 1.980), (10**6, 1.960)],
)
def test_it_is_the_tabulated_quantile(degrees_of_freedom, tabulated):
    assert student(degrees_of_freedom) == pytest.approx(tabulated, abs=0.001)
