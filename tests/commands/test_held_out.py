import shutil

import pytest
from hf_selfdistill.commands.datasets import DatasetArguments
from hf_selfdistill.commands.held_out import warn_of_seen_videos

from hf_selfdistill.cli import evaluate


@pytest.fixture
def tested(fine_tuned, shapes, caplog):
    """What is said where some test videos of the model's data set are tested."""

    def test(select=lambda records: records, part="test", dataset="moving_shapes", card="README.md"):
        data = DatasetArguments(dataset="moving_shapes", dataset_root=str(shapes))
        records = select(data.load()[part])
        data.dataset = dataset
        warn_of_seen_videos(fine_tuned / card, data, part, records)
        return caplog.messages

    return test


def test_of_the_videos_that_were_held_out_nothing_is_said(tested):
    assert not tested()


def test_of_others_of_the_same_data_set_it_is_said(tested):
    (line,) = tested(lambda records: records.select(range(5)))
    assert "The test part, 5 videos, is not the one that" in line and "names, 6 videos" in line


def test_another_data_set_or_a_model_without_a_card_tells_nothing(tested):
    fewer = {"select": lambda records: records.select(range(5))}
    assert (
        not tested(**fewer, dataset="ucf101")
        and not tested(**fewer, dataset="moving")
        and not tested(**fewer, card="none.md")
    )
    assert not tested(**fewer, part="train")


def test_it_is_said_by_the_command(fine_tuned, shapes, tmp_path, caplog):
    folder = shutil.copytree(shapes, tmp_path / "shapes")
    table = folder / "moving_shapes.csv"
    head, *rows = table.read_text().splitlines()
    last = max(place for place, row in enumerate(rows) if "test" in row.split(","))
    table.write_text("\n".join([head, *rows[:last], *rows[last + 1 :]]) + "\n")
    words = f"--model_name_or_path {fine_tuned} --dataset moving_shapes --dataset_root {folder} --num_clips 1 "
    words += f"--output_file {tmp_path / 'evaluation.json'} --use_cpu true --disable_tqdm true"
    evaluate.main(words.split())
    assert any("may have been trained on some of these videos" in line for line in caplog.messages)
