import pytest
from hf_selfdistill.hub.model_card import CardFacts, ModelCardCallback
from huggingface_hub import ModelCard
from transformers import TrainerState, TrainingArguments

from hf_selfdistill.models import C3DConfig

MEASURED = {"eval_video_top5": 1.0, "eval_clip_top1": 0.4, "eval_clip_top5": 1.0, "eval_num_videos": 6}
LOG = [{"step": step, "eval_video_top1": top1, **MEASURED} for step, top1 in ((10, 0.625), (20, 0.375))]


@pytest.fixture
def card_of(tmp_path):
    def write(facts=None, log=LOG, state=None, settings=None, **metadata):
        args = TrainingArguments(str(tmp_path / "model"), use_cpu=True, report_to="none", **settings or {})
        (tmp_path / "model").mkdir(exist_ok=True)
        progress = TrainerState(log_history=log, max_steps=20, global_step=20, **state or {})
        config = C3DConfig(id2label={0: "run", 1: "jump"}, architectures=["C3DForVideoClassification"])
        ModelCardCallback(facts or CardFacts()).write(args, progress, config, **metadata)
        return ModelCard.load(tmp_path / "model" / "README.md")

    return write


def test_it_says_what_was_made_of_what(card_of):
    facts = CardFacts(base="user/encoder", dataset="user/videos", parts={"train": (12, "ab" * 32)}, method={"λ": "10"})
    card = card_of(facts, license="apache-2.0", tags="video")
    assert (card.data.base_model, card.data.datasets, card.data.license) == (
        "user/encoder",
        "user/videos",
        "apache-2.0",
    )
    assert {"c3d", "video", "self-distillation"} <= set(card.data.tags)
    assert "Classes: run, jump." in card.text and "ab" * 32 in card.text and "| λ | 10 |" in card.text


def test_a_base_in_words_is_no_model_on_the_hub(card_of):
    card = card_of(CardFacts(base="C3D, random weights"))
    assert card.data.base_model is None and "C3D, random weights" in card.text


def test_its_figures_are_those_of_the_last_validation(card_of):
    (result, *_) = (one for one in card_of().data.eval_results if one.metric_value == 0.375)
    assert result.dataset_split == "validation"


def test_they_are_said_to_be_of_the_best_step_where_that_model_was_loaded(card_of):
    best = {"best_global_step": 10}
    loads = {"load_best_model_at_end": True, "eval_strategy": "epoch", "save_strategy": "epoch"}
    assert "after step 20 of 20" in card_of(state=best).text
    assert "after step 10 of 20" in card_of(state=best, settings=loads).text


def test_without_a_validation_it_claims_nothing(card_of):
    card = card_of(log=[])
    assert card.data.eval_results is None and "No figure has been measured yet." in card.text
