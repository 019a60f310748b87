from __future__ import annotations

import torch
from transformers import set_seed

from hf_selfdistill import C3DConfig, C3DForVideoClassification, C3DVideoProcessor
from hf_selfdistill.data.datasets import load_video_dataset
from hf_selfdistill.evaluation.features import PooledFeatures
from hf_selfdistill.evaluation.training_features import features_in_training
from hf_selfdistill.training import clips as video_clips
from hf_selfdistill.training.arguments import VideoTrainingArguments
from hf_selfdistill.training.trainer import VideoTrainer


def test_every_encoder_sees_the_same_clips_and_the_random_generator_stays(shapes, tmp_path):
    set_seed(0)
    model, other = (
        C3DForVideoClassification(C3DConfig(hidden_sizes=[4, 8, 8, 8, 8], num_frames=8, image_size=16, num_labels=3))
        for _ in range(2)
    )
    videos = load_video_dataset("moving_shapes", str(shapes))["test"]
    clips = video_clips.testing_clips(videos, model, C3DVideoProcessor(size={"height": 16, "width": 16}), 2)
    args = VideoTrainingArguments(str(tmp_path), per_device_eval_batch_size=4, use_cpu=True, report_to="none")
    trainer = VideoTrainer(model, args)
    state = torch.get_rng_state()
    sets = features_in_training(trainer, clips, PooledFeatures(model), PooledFeatures(other))
    assert torch.equal(state, torch.get_rng_state())
    for encoder, found in zip((model, other), sets, strict=True):
        pixels = torch.stack([clips[index]["pixel_values"] for index in range(len(clips))])
        with torch.no_grad():
            features = encoder.eval().encoder(pixels.flatten(0, 1)).pooler_output.view(len(clips), 2, -1).mean(1)
        torch.testing.assert_close(found.features, features, rtol=1e-4, atol=1e-5)
        assert found.labels.tolist() == videos["label"][:] and found.places == list(range(len(clips)))
