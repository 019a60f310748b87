"""The card of a pre-trained encoder: what it is, how to go on with it, what it was made of, what it knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard, ModelCardData
from transformers import PreTrainedConfig, TrainerState, TrainingArguments

from hf_selfdistill.hub.card_callback import OURS, CardCallback, hyperparameters, on_the_hub
from hf_selfdistill.hub.citations import works_behind
from hf_selfdistill.hub.curves import draw_curves
from hf_selfdistill.hub.feature_results import feature_table

__all__ = ["EncoderCardCallback", "EncoderFacts"]

TEMPLATE = Path(__file__).parent / "templates" / "encoder_card.md"


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

    def __init__(self, facts: EncoderFacts) -> None:
        self.facts = facts

    def write(self, args: TrainingArguments, state: TrainerState, config: PreTrainedConfig, **metadata: Any) -> None:
        """What frozen features tell is measured later, by `evaluate_model`, which puts it here."""
        folder = Path(args.output_dir)
        location = args.hub_model_id or folder.name
        card = ModelCard.from_template(
            self._metadata(config, **metadata),
            template_path=str(TEMPLATE),
            **vars(self.facts) | {"hyperparameters": {**hyperparameters(args, state), **self.facts.hyperparameters}},
            name=location.split("/")[-1],
            location=location,
            architecture=(config.architectures or [config.model_type])[0],
            ours=config.model_type in OURS,
            curves=draw_curves(state.log_history, folder),
            results=feature_table([]),
            license=metadata.get("license"),
            works=works_behind(config),
        )
        card.save(folder / "README.md")

    def _metadata(
        self,
        config: PreTrainedConfig,
        language: str | None = None,
        license: str | None = None,
        tags: str | list[str] | None = None,
        model_name: str | None = None,
    ) -> ModelCardData:
        given = [tags] if isinstance(tags, str) else tags or []
        return ModelCardData(
            library_name="transformers",
            tags=["hf_selfdistill", "self-supervised", "video", self.facts.objective, config.model_type, *given],
            base_model=on_the_hub(self.facts.base),
            language=language,
            license=license,
            model_name=model_name,
        )
