from dataclasses import dataclass, field

import pytest
from hf_selfdistill.hub.card_callback import CardCallback
from huggingface_hub import ModelCard
from transformers import TrainerState, TrainingArguments

from hf_selfdistill.models import C3DConfig

CONFIG = C3DConfig(hidden_sizes=[4, 8, 8, 8, 8], num_frames=8, image_size=16)


@dataclass
class Facts:
    base: str | None = None
    hyperparameters: dict[str, str] = field(default_factory=lambda: {"schedule": "cosine"})


class Card(CardCallback):
    def own(self, args, state, config, name):
        return {"said": "of its own"}, {"tags": ["video"], "metrics": ["accuracy"]}


@pytest.fixture
def written(tmp_path):
    """The card of a run, written as asked."""
    (tmp_path / "template.md").write_text(
        "---\n{{ card_data }}\n---\n{{ name }}, {{ said }}\n"
        "{% for name, value in hyperparameters.items() %}{{ name }}: {{ value }}\n{% endfor %}"
    )

    def write(base=None, state=None, run=None, **metadata):
        card = Card(Facts(base))
        card.template = tmp_path / "template.md"
        args = TrainingArguments(str(tmp_path / "run"), use_cpu=True, **(run or {}))
        (tmp_path / "run").mkdir(exist_ok=True)
        card.write(args, state or TrainerState(), CONFIG, **metadata)
        return ModelCard.load(tmp_path / "run" / "README.md")

    return write


@pytest.mark.parametrize(("first_process", "written"), [(True, ["c3d"]), (False, [])])
def test_the_card_is_written_before_each_upload_by_the_first_process(first_process, written, monkeypatch):
    done = []
    monkeypatch.setattr(Card, "write", lambda self, args, state, config: done.append(config.model_type))
    model = type("Model", (), {"config": CONFIG})
    Card(Facts()).on_push_begin(None, TrainerState(is_world_process_zero=first_process), None, model)
    assert done == written


def test_what_is_said_and_known_of_its_own_stands_beside_what_all_cards_have(written):
    card = written(license="mit", tags="mine")
    assert card.text.startswith("run, of its own") and "schedule: cosine" in card.text
    assert card.data.tags == ["hf_selfdistill", "video", "c3d", "mine"]
    assert (card.data.license, card.data.metrics) == ("mit", ["accuracy"])


def test_hyperparameters_say_how_far_the_run_is_and_how_large_a_step(written):
    run = {"per_device_train_batch_size": 3, "gradient_accumulation_steps": 2, "max_grad_norm": 0}
    text = written(state=TrainerState(epoch=1.5, num_train_epochs=2, global_step=6, max_steps=8), run=run).text
    for line in ("videos per step: 6", "epochs: 1.5 of 2", "steps: 6 of 8", "precision: float32"):
        assert f"{line}\n" in text
    assert "gradient norm clipped at: not clipped\n" in text


@pytest.mark.parametrize(
    ("base", "known"),
    [("user/encoder", "user/encoder"), ("encoder", None), ("C3D / random weights", None), (None, None)],
)
def test_a_base_in_words_is_no_name_on_the_hub(written, base, known):
    assert written(base).data.base_model == known
