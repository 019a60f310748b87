from hf_selfdistill.runs.evaluation_configs import EvaluateConfig, ForgettingConfig


def test_where_the_results_go_does_not_change_what_is_measured():
    one = EvaluateConfig(model_name_or_path="user/model", dataset="ucf101", output_file="a.json")
    assert one.essence() == {"model_name_or_path": "user/model", "dataset": "ucf101"}


def test_both_encoders_of_a_comparison_are_known_by_their_contents(fine_tuned):
    config = ForgettingConfig(model_name_or_path=str(fine_tuned), before=str(fine_tuned), dataset="ucf101")
    assert config.essence() == {"dataset": "ucf101"} and config.model_hashes().keys() == {"model", "before"}
