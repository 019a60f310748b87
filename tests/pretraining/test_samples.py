import datasets
import pytest
from shards import write_shards

from hf_selfdistill import C3DVideoProcessor
from hf_selfdistill.data.unlabelled import StreamedUnlabelledClips, UnlabelledClips, VideoViews
from hf_selfdistill.data.video_files import stream_shards
from hf_selfdistill.pretraining.arguments import PretrainingArguments
from hf_selfdistill.pretraining.samples import FINDINGS, describe_short_videos, samples_of


class NoViews(VideoViews):
    span = 8
    processor = C3DVideoProcessor()

    def __call__(self, reader, video):
        raise AssertionError("nothing is to be read")


@pytest.fixture
def arguments(tmp_path):
    return lambda **settings: PretrainingArguments(str(tmp_path / "out"), seed=3, use_cpu=True, **settings)


def test_listed_videos_are_drawn_with_the_seed_and_none_give_no_samples(arguments):
    records = datasets.Dataset.from_dict({"video": [{"path": "a.mp4", "bytes": None}]})
    samples = samples_of(records, NoViews(), arguments())
    assert isinstance(samples, UnlabelledClips) and samples.seed == 3 and describe_short_videos(samples) == 0
    assert samples_of(None, NoViews(), arguments()) is samples_of(records.select([]), NoViews(), arguments()) is None


def test_a_stream_needs_the_length_of_an_epoch(arguments, tmp_path):
    write_shards(tmp_path, shards=2, videos_per_shard=2)
    with pytest.raises(ValueError, match="`clips_per_epoch` is missing"):
        samples_of(stream_shards(tmp_path), NoViews(), arguments())
    samples = samples_of(stream_shards(tmp_path), NoViews(), arguments(clips_per_epoch=3, max_unreadable=0.2))
    assert isinstance(samples, StreamedUnlabelledClips) and len(samples) == 3
    assert samples.max_unreadable == 0.2 and samples.findings.folder == tmp_path / "out" / FINDINGS
