"""The card of a pre-trained encoder: what it is, how to go on with it, what it was made of, what it knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transformers import PreTrainedConfig, TrainerState, TrainingArguments

from hf_selfdistill.hub.card_callback import CardCallback
from hf_selfdistill.hub.feature_results import feature_table

__all__ = ["EncoderCardCallback", "EncoderFacts"]


@dataclass
class EncoderFacts:
    """What only the one who starts a pre-training knows. What is left out is not in the card.

    Args:
        objective: its name.
        arguments: the objective's own, by name.
        videos: in words, which ones it was trained on.
        num_videos: how many those are; None of a stream.
        fingerprint: of them.
        base: the encoder that was trained on, a name on the Hub or in words; None for random weights.
        clip: in words, what the encoder looks at.
        hyperparameters: beside those of the TrainingArguments.
    """

    objective: str
    arguments: Mapping[str, object]
    videos: str
    num_videos: int | None = None
    fingerprint: str | None = None
    base: str | None = None
    clip: str | None = None
    hyperparameters: Mapping[str, str] = field(default_factory=dict)


class EncoderCardCallback(CardCallback):
    """The card of a pre-trained encoder.

    Args:
        facts: that the Trainer does not know.
    """

    template = Path(__file__).parent / "templates" / "encoder_card.md"
    facts: EncoderFacts

    def own(
        self, args: TrainingArguments, state: TrainerState, config: PreTrainedConfig, name: str
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """What frozen features tell is measured later, by `evaluate_model`, which puts it here."""
        return {"results": feature_table([])}, {"tags": ["self-supervised", "video", self.facts.objective]}
