import pytest
import torch
from huggingface_hub.errors import HTTPError
from short_training import SETTINGS
from torch.utils.data import Dataset
from transformers import set_seed

from hf_selfdistill import C3DConfig, C3DForVideoClassification
from hf_selfdistill.training.arguments import VideoTrainingArguments
from hf_selfdistill.training.trainer import VideoTrainer


class Clips(Dataset):
    def __init__(self, length):
        self.clips = torch.randn(length, 8, 3, 16, 16, generator=torch.Generator().manual_seed(0))

    def __len__(self):
        return len(self.clips)

    def __getitem__(self, index):
        return {"pixel_values": self.clips[index], "labels": index % 2}


@pytest.fixture
def make_trainer(tmp_path):
    def build(**settings):
        set_seed(0)
        config = C3DConfig(hidden_sizes=[4, 8, 8, 8, 8], num_frames=8, image_size=16, num_labels=2)
        args = VideoTrainingArguments(str(tmp_path), **{**SETTINGS, **settings})
        return VideoTrainer(C3DForVideoClassification(config), args, train_dataset=Clips(6))

    return build


def test_evaluation_takes_every_clip_though_training_drops_the_last_batch(make_trainer):
    trainer = make_trainer(per_device_eval_batch_size=4, dataloader_drop_last=True)
    trainer.compute_metrics = lambda prediction: {"clips": len(prediction.label_ids)}
    assert trainer.evaluate(Clips(5))["eval_clips"] == 5
    assert len(trainer.predict(Clips(5)).label_ids) == 5
    assert trainer.args.dataloader_drop_last and len(trainer.get_train_dataloader()) == 1


def test_the_learning_rate_follows_the_schedule_by_epochs(make_trainer):
    trainer = make_trainer(epoch_lr_schedule="multi_step", num_train_epochs=2)
    trainer.train()
    rates = [log["learning_rate"] for log in trainer.state.log_history if "learning_rate" in log]
    assert rates == pytest.approx([0.05] * 2 + [0.005] * 2)


def test_every_parameter_is_decayed(make_trainer):
    trainer = make_trainer(weight_decay=0.1)
    trainer.create_optimizer()
    decayed = sum(len(group["params"]) for group in trainer.optimizer.param_groups if group["weight_decay"] == 0.1)
    assert decayed == len(list(trainer.model.parameters()))


def test_of_finished_clips_the_card_is_the_trainers_draft_and_there_is_no_record(make_trainer, tmp_path):
    trainer = make_trainer(max_steps=1, save_strategy="no")
    trainer.train()
    trainer.create_model_card(license="apache-2.0")
    assert "license: apache-2.0" in (tmp_path / "README.md").read_text()
    assert not (tmp_path / "run.json").exists()


def test_an_upload_that_fails_says_how_to_go_on(make_trainer, monkeypatch):
    def refuse():
        raise HTTPError("503 Service Unavailable")

    trainer = make_trainer(hub_model_id="user/model")
    monkeypatch.setattr(trainer, "push_to_hub", refuse)
    with pytest.raises(ValueError, match=r"503 Service Unavailable.*hf upload user/model .* --exclude"):
        trainer._push()


def test_two_gpus_in_one_process_are_refused(make_trainer, monkeypatch):
    monkeypatch.setattr(VideoTrainingArguments, "n_gpu", property(lambda self: 2))
    with pytest.raises(ValueError, match=r"one process sees 2 GPUs.*accelerate launch"):
        make_trainer()
