import pytest
from transformers import HfArgumentParser

from hf_selfdistill.pretraining.arguments import PretrainingArguments


def arguments(tmp_path, **settings):
    return PretrainingArguments(str(tmp_path), use_cpu=True, **settings)


def test_by_default_the_learning_rate_is_taken_as_it_is_and_ragged_batches_are_dropped(tmp_path):
    args = arguments(tmp_path, learning_rate=0.1, per_device_train_batch_size=32, gradient_accumulation_steps=2)
    assert args.scaled_learning_rate == 0.1
    assert args.dataloader_drop_last and not args.remove_unused_columns


def test_it_is_scaled_to_the_videos_of_a_step_over_accumulated_batches_and_processes(tmp_path, monkeypatch):
    settings = dict(learning_rate=0.1, learning_rate_batch_size=64, per_device_train_batch_size=32)
    assert arguments(tmp_path, **settings).scaled_learning_rate == pytest.approx(0.05)
    assert arguments(tmp_path, **settings, gradient_accumulation_steps=4).scaled_learning_rate == pytest.approx(0.2)
    monkeypatch.setattr(PretrainingArguments, "world_size", property(lambda self: 4))  # RSPNet's four GPUs
    assert arguments(tmp_path, **settings).scaled_learning_rate == pytest.approx(0.2)


def test_a_number_of_videos_below_one_is_refused(tmp_path):
    with pytest.raises(ValueError, match="`learning_rate_batch_size` is 0; it must be positive"):
        arguments(tmp_path, learning_rate_batch_size=0)


def test_a_command_line_reads_the_number_and_its_absence(tmp_path):
    parser = HfArgumentParser(PretrainingArguments)
    for words, expected in (([], None), (["--learning_rate_batch_size", "64"], 64)):
        (args,) = parser.parse_args_into_dataclasses(["--output_dir", str(tmp_path), "--use_cpu", "True", *words])
        assert args.learning_rate_batch_size == expected
