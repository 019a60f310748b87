import numpy as np
import pytest
import torch
from transformers import EvalPrediction

from hf_selfdistill.training.multi_clip import MultiClipAccuracy, likeliest, rows_of_videos

NAMES = ["a", "b", "c", "d", "e", "f"]


@pytest.fixture(scope="module")
def accuracy():
    return MultiClipAccuracy(NAMES)


def test_logits_are_averaged_before_the_softmax(accuracy):
    # Two clips say "b" with a small margin, one says "a" with a large one: the mean of logits is "a",
    # the mean of probabilities and the vote are "b".
    clips = np.array([[[0.0, 2.0], [0.0, 2.0], [9.0, 0.0]]], dtype=np.float32)
    result = MultiClipAccuracy(["a", "b"])(EvalPrediction(clips, np.array([[0, 0, 0]])))
    assert result["video_top1"] == 1.0
    assert result["clip_top1"] == pytest.approx(1 / 3)


def test_accuracies_equal_an_independent_computation(accuracy):
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(40, 10, 6)).astype(np.float32)
    labels = generator.integers(6, size=40)
    result = accuracy(EvalPrediction(logits, np.repeat(labels[:, None], 10, axis=1)))
    videos = torch.from_numpy(logits).mean(1)
    clips, of_clip = torch.from_numpy(logits).flatten(0, 1), torch.from_numpy(labels).repeat_interleave(10)
    for k in (1, 5):
        top = videos.topk(k).indices == torch.from_numpy(labels)[:, None]
        assert result[f"video_top{k}"] == pytest.approx(top.any(1).float().mean().item())
        top = clips.topk(k).indices == of_clip[:, None]
        assert result[f"clip_top{k}"] == pytest.approx(top.any(1).float().mean().item())
    assert result["num_videos"] == 40


def test_unreadable_videos_are_left_out_of_every_average(accuracy):
    logits = np.zeros((3, 2, 6), dtype=np.float32)
    logits[0, :, 1] = logits[1, :, 2] = 1.0
    prediction = EvalPrediction(logits, np.array([[1, 1], [0, 0], [-100, -100]]))
    result = accuracy(prediction)
    assert (result["video_top1"], result["clip_top1"], result["num_videos"]) == (0.5, 0.5, 2)
    assert accuracy.per_class(prediction) == {"a": 0.0, "b": 1.0}


def test_rows_are_videos_whatever_else_the_model_returns():
    logits, labels = torch.arange(12.0).view(6, 2), torch.zeros(2, 3)
    rows = rows_of_videos((logits, torch.zeros(1)), labels)
    assert rows.shape == (2, 3, 2)
    assert torch.equal(rows[1, 0], logits[3])


def test_accuracy_and_predictions_agree_on_equal_logits(accuracy):
    """Logits in bfloat16 have many ties."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(500, 2, 6, generator=generator).round(decimals=1)
    logits[:100] = 0
    labels = torch.randint(6, (500,), generator=generator)
    prediction = EvalPrediction(logits.numpy(), labels[:, None].repeat(1, 2).numpy())
    right = [label == predicted for _, label, predicted, _ in accuracy.predictions(prediction)]
    assert accuracy(prediction)["video_top1"] == pytest.approx(sum(right) / 500)


def test_accuracy_and_predictions_agree_on_nearly_equal_logits(accuracy):
    """Single precision, or a softmax in double precision, would make the logits equal."""
    logits = np.array([[[5, 5 + 1e-15, 0, 0, 0, 0]]])
    prediction = EvalPrediction(logits, np.array([[1]]))
    ((_, _, predicted, _),) = accuracy.predictions(prediction)
    assert accuracy(prediction)["video_top1"] == 1.0 and predicted == "b"


def test_the_likeliest_of_equal_classes_is_the_first():
    names = dict(enumerate("abcdef"))
    scores = torch.tensor([0.1, 0.2, 0.2, 0.1, 0.2, 0.2])
    assert [name for name, _ in likeliest(scores, names, 5)] == ["b", "c", "e", "f", "a"]
    assert likeliest(scores, names, 1) == [("b", pytest.approx(0.2))]
