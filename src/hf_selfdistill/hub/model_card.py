"""The card of a fine-tuned model: what it is, how to load it, what it was made of, what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transformers import PreTrainedConfig, TrainerState, TrainingArguments

from hf_selfdistill.hub.card_callback import CardCallback
from hf_selfdistill.hub.results import Result, metadata_of, table
from hf_selfdistill.training.accuracies import MEASURED

__all__ = ["CardFacts", "ModelCardCallback"]


@dataclass
class CardFacts:
    """What only the one who starts a run knows. What is left out is not in the card.

    Args:
        base: the encoder that was fine-tuned, a name on the Hub or in words; None for random weights.
        dataset: name of the data set, as `load_video_dataset` takes it.
        split: which of its official splits.
        parts: name of a part → number of videos and `fingerprint`.
        method: λ, the teacher and the like, by name.
        hyperparameters: beside those of the TrainingArguments.
        clip: in words, what the model looks at.
        protocol: in words, what the validation figures are measured on.
    """

    base: str | None = None
    dataset: str | None = None
    split: int | None = None
    parts: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    method: Mapping[str, str] = field(default_factory=dict)
    hyperparameters: Mapping[str, str] = field(default_factory=dict)
    clip: str | None = None
    protocol: str = "validation part"


class ModelCardCallback(CardCallback):
    """The card of a fine-tuned model.

    Args:
        facts: that the Trainer does not know.
    """

    template = Path(__file__).parent / "templates" / "model_card.md"
    facts: CardFacts

    def own(
        self, args: TrainingArguments, state: TrainerState, config: PreTrainedConfig, name: str
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The classes, and the last validation of the run."""
        results = self._results(args, state, config.num_labels)
        said = {"classes": [config.id2label[index] for index in range(config.num_labels)], "results": table(results)}
        known = {
            "tags": ["self-distillation", "generated_from_trainer"],
            "pipeline_tag": "video-classification",
            "datasets": self.facts.dataset if "/" in (self.facts.dataset or "") else None,
            "metrics": ["accuracy"],
            "model_name": name if results else None,
            "eval_results": [entry for result in results for entry in metadata_of(result)] or None,
        }
        return said, known

    def _results(self, args: TrainingArguments, state: TrainerState, classes: int) -> list[Result]:
        """The last validation of the run, with the step that it was made at."""
        for entry in reversed(state.log_history):
            if all(f"eval_{name}" in entry for name in MEASURED):
                metrics = {name: entry[f"eval_{name}"] for name in MEASURED}
                best = state.best_global_step if args.load_best_model_at_end else None
                step = best if best and entry["step"] == state.max_steps else entry["step"]
                protocol = f"{self.facts.protocol}, after step {step} of {state.max_steps}"
                return [Result(self.facts.dataset or "validation", "validation", protocol, metrics, classes)]
        return []
