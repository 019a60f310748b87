from hf_selfdistill.training.kept import kept_rows

DRIFT = {"cka": {"value": 0.934, "low": 0.9, "high": 0.96}, "relative_l2": {"value": 0.31, "low": None, "high": None}}
RETENTION = {
    "value": 0.86, "low": 0.7, "high": 1.02, "chance": 0.25,
    "before": {"linear_probe_top1": 0.75}, "after": {"linear_probe_top1": 0.68},
}  # fmt: skip


def test_retention_and_drift_are_shown_with_their_intervals():
    assert kept_rows({"drift": DRIFT, "retention": RETENTION}) == {
        "retention": "0.86 (0.70 … 1.02)",
        "linear probe before and after": "0.750, 0.680 (chance 0.250)",
        "CKA with the encoder before": "0.93 (0.90 … 0.96)",
        "relative distance of the features": "0.31",
    }


def test_values_that_are_unknown_are_left_out():
    assert kept_rows({}) == {}
    assert list(kept_rows({"drift": {**DRIFT, "cka": None}})) == ["relative distance of the features"]
    assert list(kept_rows({"retention": {**RETENTION, "value": None}})) == ["linear probe before and after"]
