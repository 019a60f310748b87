import datasets
import pytest
import torch
from transformers import TrainingArguments, set_seed
from videos import numbered_frames, write_video

from hf_selfdistill.data.clips import TestingClips
from hf_selfdistill.data.sampling import clip_sampler
from hf_selfdistill.evaluation.features import FeatureExtractor, video_features
from hf_selfdistill.models import C3DConfig, C3DForVideoClassification, C3DModel

CONFIG = C3DConfig(hidden_sizes=[4, 8, 8, 8, 8], num_frames=8, image_size=16, num_labels=3)


def as_float(clip):
    return clip[..., :16, :16].float() / 255


@pytest.fixture
def clips(tmp_path):
    files = [write_video(tmp_path / f"{n}.mp4", numbered_frames(12 + n, 16, 16)) for n in range(5)]
    files[3].write_bytes(b"no video")
    records = datasets.Dataset.from_dict(
        {"video": [str(file) for file in files], "label": [0, 1, 2, 0, 1], "group": list("abcde")},
        features=datasets.Features(
            video=datasets.Video(decode=False),
            label=datasets.ClassLabel(num_classes=3),
            group=datasets.Value("string"),
        ),
    )
    return TestingClips(records, clip_sampler(4, 8), as_float)


@pytest.fixture
def args(tmp_path):
    return TrainingArguments(str(tmp_path / "run"), per_device_eval_batch_size=2, use_cpu=True, disable_tqdm=True)


def test_features_of_a_video_are_the_mean_over_its_clips_and_unreadable_ones_are_left_out(clips, args):
    set_seed(0)
    model = C3DModel(CONFIG).eval()
    found = video_features(FeatureExtractor(model), clips, args)
    assert (found.rows, found.groups, found.labels.tolist()) == ([0, 1, 2, 4], list("abce"), [0, 1, 2, 1])
    for row, features in zip(found.rows, found.features, strict=True):
        expected = model(clips[row]["pixel_values"]).pooler_output.mean(0)
        assert torch.allclose(features, expected, atol=1e-5)


def test_of_a_classifier_they_are_those_in_front_of_its_last_layer(clips, args):
    set_seed(0)
    model = C3DForVideoClassification(CONFIG).eval()
    found = video_features(FeatureExtractor(model), clips, args)
    expected = video_features(FeatureExtractor(model.encoder), clips, args)
    assert torch.allclose(found.features, expected.features, atol=1e-6)


@pytest.mark.parametrize("kind", [C3DModel, C3DForVideoClassification])
def test_vcop_keeps_the_places_of_the_last_map(kind):
    model = kind(CONFIG)
    clip = torch.rand(2, 8, 3, 32, 32)
    features = FeatureExtractor(model, "vcop")(pixel_values=clip)["logits"]
    last = model.eval().base_model(clip).last_hidden_state  # (2, 8, 1, 2, 2)
    assert torch.equal(features, last.amax((-1, -2)).flatten(1))


def test_nothing_of_it_is_trained():
    extractor = FeatureExtractor(C3DModel(CONFIG).train())
    assert not extractor.training and not any(parameter.requires_grad for parameter in extractor.parameters())
