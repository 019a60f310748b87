"""Pushed models load unchanged: the real client and transformers' own loading, against a Hub in memory."""

from __future__ import annotations

import pytest
from hub_server import LFS_OVER

COMMON = """
import sys, torch
from transformers import AutoModelForVideoClassification, AutoVideoProcessor, TrainerCallback
import hf_selfdistill as hf
torch.manual_seed(0)
def model():
    config = hf.C3DConfig(hidden_sizes=[4, 8, 8, 8, 8], num_frames=8, image_size=16, num_labels=2)
    return hf.C3DForVideoClassification(config).eval()
clips = torch.randn(2, 8, 3, 16, 16)
data = [{"pixel_values": clip, "labels": index} for index, clip in enumerate(clips)]
def same(mine, name, **kwargs):
    again = AutoModelForVideoClassification.from_pretrained(name, **kwargs).eval()
    assert torch.equal(mine.eval()(clips).logits, again(clips).logits)
def trainer(folder, **kwargs):
    processor = hf.C3DVideoProcessor(num_frames=8, size={"shortest_edge": 16})
    args = hf.SelfDistillationArguments(
        folder, use_cpu=True, disable_tqdm=True, report_to="none", save_strategy="epoch", num_train_epochs=2, **kwargs
    )
    return hf.SelfDistillationTrainer(model(), args, train_dataset=data, processing_class=processor)


class AfterTheUpload(TrainerCallback):
    # Epochs this short would overwrite the files that are being uploaded.
    def __init__(self, trainer):
        self.trainer = trainer

    def on_epoch_begin(self, *args, **kwargs):
        if self.trainer.push_in_progress is not None:
            self.trainer.push_in_progress.wait_until_done()
"""


@pytest.mark.slow
@pytest.mark.parametrize("private", [False, True])
def test_a_pushed_model_loads_with_equal_logits_from_a_new_and_an_old_repository(hub, run_online, private):
    code = f"""
    first = model()
    first.push_to_hub("tester/mine", private={private})
    same(first, "tester/mine")
    second = model()
    second.push_to_hub("tester/mine")
    same(second, "tester/mine", force_download=True)
    """
    run_online("-c", COMMON + code.replace("\n    ", "\n"))
    repository = hub.repositories["tester/mine"]
    assert repository.private == private and len(repository.commits) == 3
    assert len(repository.files["model.safetensors"]) > LFS_OVER
    assert repository.files["model.safetensors"] in hub.large.values()


@pytest.mark.slow
def test_a_private_model_is_hidden_from_other_users(hub, run_online):
    run_online("-c", COMMON + 'model().push_to_hub("tester/mine", private=True)')
    load = 'AutoModelForVideoClassification.from_pretrained("tester/mine")'
    assert "OSError" in run_online("-c", COMMON + load, token="hf_other", code=1).stderr


@pytest.mark.parametrize("strategy", ["every_save", "checkpoint", "end"])
def test_a_trainer_uploads_model_processor_and_card(hub, run_online, tmp_path, strategy):
    code = f"""
    run = trainer(sys.argv[1], push_to_hub=True, hub_strategy="{strategy}")
    run.add_callback(AfterTheUpload(run))
    run.train()
    run.push_to_hub()
    same(run.model, "tester/run")
    assert AutoVideoProcessor.from_pretrained("tester/run").num_frames == 8
    """
    run_online("-c", COMMON + code.replace("\n    ", "\n"), tmp_path / "run")
    repository = hub.repositories["tester/run"]
    assert {"README.md", "config.json", "model.safetensors", "video_preprocessor_config.json"} <= {*repository.files}
    assert ("Training in progress, epoch 1" in repository.titles) == (strategy != "end")
    assert any(name.startswith("last-checkpoint/") for name in repository.files) == (strategy == "checkpoint")
    assert not any(name.startswith("checkpoint-") for name in repository.files)
