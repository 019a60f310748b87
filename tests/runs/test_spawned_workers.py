"""Workers start as on macOS and Windows: they import every module again, and get the data set as a pickle."""

from __future__ import annotations

import multiprocessing
import shutil

import pytest

from hf_selfdistill.cli import finetune, pretrain
from hf_selfdistill.training.record import RunRecord

PRETRAINING = (
    "--model_type c3d --dataset folder --num_train_epochs 1 --per_device_train_batch_size 4 "
    "--use_cpu true --disable_tqdm true --config_overrides hidden_sizes=4,8,8,8,8,num_frames=8,image_size=16"
).split()


@pytest.fixture
def spawn():
    before = multiprocessing.get_start_method()
    multiprocessing.set_start_method("spawn", force=True)
    yield
    multiprocessing.set_start_method(before, force=True)


@pytest.mark.slow
def test_spawned_workers_train_the_classifier_of_the_main_process(spawn, shapes, tiny_flags, tmp_path):
    videos = shutil.copytree(shapes, tmp_path / "videos")
    broken = sorted(videos.glob("*/*.*"))[0]
    broken.write_text("not a video")
    records = []
    for workers in (0, 1):
        out = tmp_path / str(workers)
        finetune.main(tiny_flags(videos, out, dataloader_num_workers=workers, max_unreadable=0.2))
        records.append(RunRecord.load(out))
    assert records[0].weights == records[1].weights
    found = [[videos / own["video"] for own in record.metrics["unreadable"]] for record in records]
    assert found == [[broken]] * 2


@pytest.mark.slow
def test_spawned_workers_pre_train_the_encoder_of_the_main_process(spawn, shapes, tmp_path):
    for workers in (0, 1):
        flags = ["--dataset_root", str(shapes), "--output_dir", str(tmp_path / str(workers))]
        pretrain.main([*PRETRAINING, *flags, "--dataloader_num_workers", str(workers)])
    before, after = (RunRecord.load(tmp_path / str(workers)) for workers in (0, 1))
    assert before.weights == after.weights
