from pathlib import Path

import datasets

from hf_selfdistill import load_video_dataset
from hf_selfdistill.data.fingerprint import fingerprint
from hf_selfdistill.data.origin import Origin, hash_of_videos, is_video_dataset, note_origin, origin_of, undecoded


def test_a_part_knows_its_data_set_also_after_a_selection(shapes):
    videos = load_video_dataset("moving_shapes", shapes)
    few = videos["test"].shuffle(1).select(range(2))
    assert origin_of(few) == Origin("moving_shapes", None, "test", Path(shapes))
    assert hash_of_videos(few) == fingerprint(few, shapes)


def test_an_official_split_is_named():
    records = datasets.Dataset.from_dict({"video": ["a"]})
    note_origin(records, Origin("ucf101", 2, "train", None))
    assert str(origin_of(records)) == "ucf101 split 2" and origin_of(records).split == 2


def test_of_an_unknown_data_set_nothing_is_claimed():
    records = datasets.Dataset.from_dict({"video": ["a"]})
    assert origin_of(records) == Origin() and str(Origin()) == "videos"


def test_raw_videos_are_told_from_clips_and_never_decoded_by_datasets():
    records = datasets.Dataset.from_dict({"video": ["a.mp4"]}, features=datasets.Features(video=datasets.Video()))
    assert is_video_dataset(records) and not is_video_dataset([{"pixel_values": 0}]) and not is_video_dataset(None)
    assert undecoded(records)[0]["video"]["path"] == "a.mp4" and undecoded(undecoded(records)) is not None
