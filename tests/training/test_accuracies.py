from hf_selfdistill.training.accuracies import ACCURACIES, telling, with_a_blank


def test_the_first_five_of_five_classes_tell_nothing():
    assert telling(5) == telling(2) == ("video_top1", "clip_top1")
    assert telling(6) == ACCURACIES


def test_people_read_words():
    assert [with_a_blank(name) for name in telling(5)] == ["video top-1", "clip top-1"]
