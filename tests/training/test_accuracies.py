from hf_selfdistill.training.accuracies import ACCURACIES, describe_chance, only_prediction, telling, with_a_blank


def test_the_first_five_of_five_classes_tell_nothing():
    assert telling(5) == telling(2) == ("video_top1", "clip_top1")
    assert telling(6) == ACCURACIES


def test_people_read_words():
    assert [with_a_blank(name) for name in telling(5)] == ["video top-1", "clip top-1"]


def test_chance_is_the_share_of_a_class():
    assert describe_chance(4) == "chance is 25.0 %"


def test_a_class_that_all_videos_are_predicted_as_is_named():
    videos = [{"label": label, "predicted": "Bend"} for label in ("Bend", "Jump")]
    assert only_prediction({"predictions": videos}) == "all videos were predicted as Bend"
    assert not only_prediction({"predictions": [*videos, {"label": "Jump", "predicted": "Jump"}]})
    assert not only_prediction({"predictions": videos[:1]}) and not only_prediction({})
