"""A run resumed from any checkpoint is the uninterrupted one bit for bit, with real videos and random draws."""

from __future__ import annotations

import pytest
import torch
from brightness import arguments, differing, state_of, tiny_encoder, tiny_processor, write_videos
from shards import write_shards

from hf_selfdistill.data.callbacks import EpochCallback
from hf_selfdistill.data.unlabelled import StreamedUnlabelledClips, UnlabelledClips
from hf_selfdistill.data.video_files import stream_shards
from hf_selfdistill.pretraining.objective_arguments import RSPNetArguments
from hf_selfdistill.pretraining.rspnet import RSPNet
from hf_selfdistill.pretraining.trainer import PretrainingTrainer

STEPS = {"save_strategy": "steps", "save_steps": 1}


def pretrain(folder, clips_of, resume=None, **settings):
    """RSPNet on three steps an epoch; `clips_of` makes the data set of the objective's views."""
    encoder = tiny_encoder()
    torch.manual_seed(resume is not None)  # a resumed run starts with other heads and another queue
    objective = RSPNet(encoder, RSPNetArguments(embedding_size=6, queue_size=8, key_momentum=0.9))
    clips = clips_of(objective.views(tiny_processor()))
    trainer = PretrainingTrainer(
        objective,
        arguments(folder, dataloader_drop_last=True, **settings),
        train_dataset=clips,
        processing_class=tiny_processor(),
        callbacks=[EpochCallback(clips)],
    )
    trainer.train(resume_from_checkpoint=resume)
    return trainer


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    records = write_videos(tmp_path_factory.mktemp("data") / "videos", 13)
    return lambda views: UnlabelledClips(records, views, seed=5)


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    write_shards(folder, shards=2, videos_per_shard=6)
    return lambda views: StreamedUnlabelledClips(stream_shards(folder), 12, views, seed=5)


@pytest.fixture(scope="module")
def whole(videos, tmp_path_factory):
    return pretrain(tmp_path_factory.mktemp("runs") / "whole", videos, **STEPS)


def test_a_run_moves_every_part_that_must_come_back(whole):
    before = RSPNet(tiny_encoder(), RSPNetArguments(embedding_size=6, queue_size=8))
    moved = differing(state_of(whole.model), state_of(before))
    for part in ("encoder.", "heads.", "key_encoder.", "key_heads.", "queue"):
        assert any(name.startswith(part) for name in moved), part
    assert any("running_mean" in name for name in moved if name.startswith("key_encoder."))


@pytest.mark.parametrize(
    ("step", "workers"), [(3, 0), (4, 0), (4, 2)], ids=["end of epoch", "within one", "within one, with workers"]
)
def test_a_resumed_run_is_the_uninterrupted_one(whole, videos, tmp_path, step, workers):
    checkpoint = f"{whole.args.output_dir}/checkpoint-{step}"
    resumed = pretrain(tmp_path, videos, checkpoint, dataloader_num_workers=workers)
    assert not differing(state_of(resumed.model), state_of(whole.model))
    last = [[log for log in trainer.state.log_history if "speed_loss" in log][-1] for trainer in (resumed, whole)]
    assert last[0] == last[1]


def test_a_run_on_a_stream_resumes_within_an_epoch(shards, tmp_path):
    settings = {"dataloader_num_workers": 1, **STEPS}
    expected = pretrain(tmp_path / "whole", shards, **settings)
    resumed = pretrain(tmp_path / "resumed", shards, str(tmp_path / "whole" / "checkpoint-4"), **settings)
    assert not differing(state_of(resumed.model), state_of(expected.model))
