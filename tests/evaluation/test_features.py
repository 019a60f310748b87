from types import SimpleNamespace

import datasets
import pytest
import torch
from tiny_classifiers import tiny_model
from transformers import TrainingArguments
from videos import numbered_frames, write_video

from hf_selfdistill import C3DConfig, C3DForVideoClassification, C3DVideoProcessor
from hf_selfdistill.data.clips import TestingClips
from hf_selfdistill.data.sampling import ClipSampler
from hf_selfdistill.data.transforms import ClipProcessor
from hf_selfdistill.evaluation.features import (
    MappedFeatures,
    PooledFeatures,
    feature_set,
    feature_trainer,
    video_features,
)

K = 3


@pytest.fixture(scope="module")
def classifier():
    torch.manual_seed(0)
    config = C3DConfig(hidden_sizes=[4, 8, 8, 8, 8], num_frames=8, image_size=32, num_labels=2)
    return C3DForVideoClassification(config).eval()


@pytest.fixture
def clips():
    return torch.randn(2 * K, 8, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def test_the_feature_of_a_video_is_the_mean_over_its_clips_with_or_without_a_head(classifier, clips):
    labels = torch.zeros(2, K, dtype=torch.long)
    with torch.no_grad():
        expected = classifier.base_model(clips).pooler_output.view(2, K, 8).mean(1)
        for model in (classifier, classifier.base_model):
            assert torch.equal(PooledFeatures(model)(labels, pixel_values=clips)["features"], expected)


def test_the_feature_of_vcop_is_the_last_map_max_pooled_over_four_positions(classifier, clips):
    maps = classifier.base_model(clips).last_hidden_state  # (6, 8, 1, 2, 2)
    expected = maps.flatten(3).amax(3).flatten(1).view(2, K, -1).mean(1)
    features = MappedFeatures(classifier)(torch.zeros(2, K), pixel_values=clips)["features"]
    torch.testing.assert_close(features, expected)


def test_the_feature_of_vcop_from_the_papers_encoder_has_9216_dimensions():
    with torch.device("meta"):
        encoder = MappedFeatures(C3DForVideoClassification(C3DConfig()))
        features = encoder(torch.zeros(1, 1), pixel_values=torch.zeros(1, 16, 3, 112, 112))["features"]
    assert features.shape == (1, 9216)


def test_any_classifier_has_pooled_features_but_not_those_of_vcop():
    model = tiny_model("timesformer").eval()
    features = PooledFeatures(model)(torch.zeros(1, 2), pixel_values=torch.randn(2, 4, 3, 16, 16))["features"]
    assert features.shape == (1, 16)
    with pytest.raises(ValueError, match=r"has no map over time and space.*use `retrieval_protocol` rspnet"):
        MappedFeatures(model)


def test_an_encoder_without_a_pooled_feature_is_refused_with_the_cure():
    encoder = PooledFeatures(tiny_model("videomae").base_model)
    with pytest.raises(ValueError, match=r"no pooler_output.*AutoModelForVideoClassification"):
        encoder(torch.zeros(1, 1), pixel_values=torch.randn(1, 4, 3, 16, 16))


def test_only_unreadable_videos_are_missing(classifier, tmp_path):
    paths = [tmp_path / f"{index}.mp4" for index in range(5)]
    for index, path in enumerate(paths):
        write_video(path, numbered_frames(9 + index, 32, 32))
    paths[2].write_text("these are my notes\n")
    records = datasets.Dataset.from_dict(
        {
            "video": [{"path": str(path), "bytes": None} for path in paths],
            "label": [0, 1, 0, 1, 1],
            "group": list("abcde"),
        }
    )
    processor = C3DVideoProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    testing = TestingClips(records, ClipSampler(K, 8), ClipProcessor(processor))
    args = TrainingArguments(
        str(tmp_path), per_device_eval_batch_size=2, dataloader_drop_last=True, use_cpu=True, disable_tqdm=True
    )
    trainer = feature_trainer(PooledFeatures(classifier), args)
    found = video_features(trainer, testing)
    assert (found.labels.tolist(), found.groups) == ([0, 1, 1, 1], list("abde"))
    with torch.no_grad():
        by_hand = [classifier.base_model(torch.stack(testing.read(i))).pooler_output.mean(0) for i in (0, 1, 3, 4)]
    torch.testing.assert_close(found.features, torch.stack(by_hand))


def test_features_that_are_not_finite_are_refused_with_a_video_and_the_cure():
    records = datasets.Dataset.from_dict(
        {"video": [{"path": f"{name}.mp4", "bytes": None} for name in "abc"], "group": list("abc")}
    )
    features, labels = torch.ones(3, 2), torch.zeros(3, dtype=torch.long)
    features[1, 0] = torch.nan
    with pytest.raises(
        ValueError, match=r"1 of 3 videos are not finite, the first of b\.mp4: .*lower `learning_rate`"
    ):
        feature_set({"features": features}, labels, SimpleNamespace(records=records))
