import pytest
import torch
from short_training import SETTINGS
from torch.utils.data import TensorDataset
from transformers import TrainerState, set_seed

from hf_selfdistill import C3DConfig, C3DForVideoClassification
from hf_selfdistill.training.arguments import VideoTrainingArguments
from hf_selfdistill.training.trainer import VideoTrainer


def collate(samples):
    clips, labels = zip(*samples, strict=True)
    return {"pixel_values": torch.stack(clips), "labels": torch.stack(labels)}


@pytest.fixture
def train(tmp_path):
    """A run of three epochs of two steps, evaluated after each."""

    def run(folder, resume=None, **settings):
        set_seed(0)
        config = C3DConfig(hidden_sizes=[4, 8, 8, 8, 8], num_frames=8, image_size=16, num_labels=2)
        given = {"num_train_epochs": 3, "save_strategy": "steps", "eval_strategy": "epoch", **settings}
        args = VideoTrainingArguments(str(tmp_path / folder), **{**SETTINGS, **given})
        clips = TensorDataset(torch.randn(8, 8, 3, 16, 16), torch.arange(8) % 2)
        trainer = VideoTrainer(
            C3DForVideoClassification(config), args, train_dataset=clips, eval_dataset=clips, data_collator=collate
        )
        trainer.train(resume_from_checkpoint=resume and str(tmp_path / resume))
        return [log["step"] for log in trainer.state.log_history if "eval_loss" in log]

    return run


def test_a_run_resumed_from_an_epochs_last_step_has_every_evaluation(train):
    assert train("whole", save_steps=2) == [2, 4, 6]
    assert train("resumed", resume="whole/checkpoint-2", save_steps=2) == [2, 4, 6]


def test_checkpoints_are_those_that_were_asked_for(train, tmp_path):
    train("run", save_steps=3)
    saved = {folder.name: TrainerState.load_from_json(folder / "trainer_state.json").global_step
             for folder in (tmp_path / "run").glob("checkpoint-*")}  # fmt: skip
    assert saved == {"checkpoint-3": 3, "checkpoint-6": 6}
