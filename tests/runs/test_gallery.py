import pytest

from hf_selfdistill import load_video_dataset
from hf_selfdistill.runs.gallery import describe_gallery, gallery_and_queries


def test_all_that_is_not_tested_is_the_gallery(shapes):
    videos = load_video_dataset("moving_shapes", shapes)
    gallery, queries, name = gallery_and_queries(videos, "test")
    assert (len(gallery), len(queries), name) == (18, 6, "train and validation")
    gallery, queries, name = gallery_and_queries(videos, "validation")
    assert (len(gallery), len(queries), name) == (15, 3, "train")
    videos["test"] = videos["test"].select([])
    with pytest.raises(ValueError, match="the test part of the data set is empty"):
        gallery_and_queries(videos, "test")


def test_the_gallery_is_described(shapes):
    queries = load_video_dataset("moving_shapes", shapes)["test"]
    assert describe_gallery(queries, "test", 9, "train") == "moving_shapes, test against 9 videos of train"
