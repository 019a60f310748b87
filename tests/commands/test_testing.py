from hf_selfdistill.commands.datasets import DatasetArguments
from transformers import TrainingArguments

from hf_selfdistill.commands.testing import flags_of_data, flags_of_device


def test_a_test_takes_over_the_data_of_its_run_and_not_its_split():
    data = DatasetArguments(dataset="ucf101", dataset_root="videos", annotations="lists", split=2, max_unreadable=0.1)
    assert flags_of_data(data) == {
        "dataset": "ucf101",
        "dataset_root": "videos",
        "annotations": "lists",
        "max_unreadable": 0.1,
    }


def test_a_test_computes_where_and_as_fast_as_its_run(tmp_path):
    args = TrainingArguments(
        str(tmp_path), per_device_eval_batch_size=3, dataloader_num_workers=2, use_cpu=True, learning_rate=0.5
    )
    assert flags_of_device(args) == {
        "per_device_eval_batch_size": 3,
        "dataloader_num_workers": 2,
        "bf16": False,
        "use_cpu": True,
    }
