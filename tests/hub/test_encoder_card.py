import pytest
from hf_selfdistill.hub.encoder_card import EncoderCardCallback, EncoderFacts
from huggingface_hub import ModelCard
from transformers import TrainerState, TrainingArguments, VideoMAEConfig

from hf_selfdistill.models import C3DConfig
from hf_selfdistill.training.citations import PRETRAINED_BY

LOG = [{"step": step, "loss": 1 / step, "pace_accuracy": step / 4} for step in (1, 2)]


@pytest.fixture
def card_of(tmp_path):
    def write(config=None, settings=None, metadata=None, **facts):
        args = TrainingArguments(str(tmp_path / "encoder"), use_cpu=True, report_to="none", **settings or {})
        (tmp_path / "encoder").mkdir(exist_ok=True)
        config = config or C3DConfig(architectures=["C3DModel"], **{PRETRAINED_BY: "pace"})
        facts = EncoderFacts(**{"objective": "pace", "arguments": {"max_pace": 4}, "videos": "Every video", **facts})
        EncoderCardCallback(facts).write(args, TrainerState(log_history=LOG), config, **metadata or {})
        return ModelCard.load(tmp_path / "encoder" / "README.md")

    return write


def test_it_says_what_was_learnt_of_what_and_from_where(card_of):
    card = card_of(num_videos=12, fingerprint="ab" * 32, base="user/start", metadata={"license": "apache-2.0"})
    assert "by `pace`, from `user/start`." in card.text and "| max_pace | 4 |" in card.text
    assert "Every video: 12 videos, SHA-256 of their names `" + "ab" * 32 in card.text
    assert (card.data.base_model, card.data.license) == ("user/start", "apache-2.0")
    assert {"self-supervised", "pace", "c3d"} <= set(card.data.tags)
    assert "Pace Prediction" in card.text and "3D Convolutional" in card.text


def test_of_a_stream_from_random_weights_nothing_is_counted(card_of):
    card = card_of()
    assert "from random weights" in card.text and "\nEvery video.\n" in card.text and "SHA" not in card.text


def test_its_curves_lie_beside_it(card_of, tmp_path):
    assert "(training_curves.png)" in card_of().text and (tmp_path / "encoder" / "training_curves.png").is_file()


def test_it_is_named_as_on_the_hub(card_of):
    text = card_of(settings={"hub_model_id": "user/name"}).text
    assert "# name\n" in text and "--model_name_or_path user/name" in text and 'from_pretrained("user/name")' in text


def test_code_for_features_is_there_for_our_encoders_alone(card_of):
    assert "import hf_selfdistill" in card_of().text
    assert "```python" not in card_of(config=VideoMAEConfig(architectures=["VideoMAEModel"])).text
