from records import classified, fine_tuning

from hf_selfdistill.experiments.run_warnings import describe_warnings

ALIKE = [{"label": label, "predicted": "walk"} for label in ("run", "walk")]


def test_each_warning_is_listed_once_with_its_number_of_models():
    records = [fine_tuning(warnings=["a", "a", "b"]), fine_tuning(warnings=["a"])]
    expected = "\nWarnings of the runs:\n\n- 2 of 2 models: a\n- 1 of 2 models: b\n"
    assert describe_warnings(records) == expected


def test_a_class_that_all_videos_are_predicted_as_is_named():
    records = [fine_tuning(results=[classified(predictions=ALIKE)]), fine_tuning(results=[classified()])]
    assert "- 1 of 2 models: In the test, all videos were predicted as walk\n" in describe_warnings(records)


def test_without_warnings_there_is_no_text():
    assert describe_warnings([fine_tuning(results=[classified()])]) == ""
