"""The card of a fine-tuned model: what it is, how to load it, what it was made of, what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard, ModelCardData
from transformers import PreTrainedConfig, TrainerState, TrainingArguments

from hf_selfdistill.hub.card_callback import OURS, CardCallback, hyperparameters, on_the_hub
from hf_selfdistill.hub.card_tables import REPORT, link_report
from hf_selfdistill.hub.citations import works_behind
from hf_selfdistill.hub.curves import draw_curves
from hf_selfdistill.hub.results import MEASURED, Result, metadata_of, table

__all__ = ["CardFacts", "ModelCardCallback"]

TEMPLATE = Path(__file__).parent / "templates" / "model_card.md"


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

    def __init__(self, facts: CardFacts) -> None:
        self.facts = facts

    def write(self, args: TrainingArguments, state: TrainerState, config: PreTrainedConfig, **metadata: Any) -> None:
        """With the last validation of the run among its results."""
        folder = Path(args.output_dir)
        results = self._results(args, state, config.num_labels)
        classes = [config.id2label[index] for index in range(config.num_labels)]
        location = args.hub_model_id or folder.name
        facts = self.facts
        card = ModelCard.from_template(
            self._metadata(config, location, results, **metadata),
            template_path=str(TEMPLATE),
            **vars(facts) | {"hyperparameters": {**hyperparameters(args, state), **facts.hyperparameters}},
            name=location.split("/")[-1],
            location=location,
            architecture=(config.architectures or [config.model_type])[0],
            classes=classes,
            ours=config.model_type in OURS,
            curves=draw_curves(state.log_history, folder),
            results=table(results),
            license=metadata.get("license"),
            works=works_behind(config),
        )
        card.save(folder / "README.md")
        if (folder / REPORT).is_file():
            link_report(folder / "README.md")

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

    def _metadata(
        self,
        config: PreTrainedConfig,
        location: str,
        results: list[Result],
        language: str | None = None,
        license: str | None = None,
        tags: str | list[str] | None = None,
        model_name: str | None = None,
    ) -> ModelCardData:
        given = [tags] if isinstance(tags, str) else tags or []
        return ModelCardData(
            library_name="transformers",
            pipeline_tag="video-classification",
            tags=["hf_selfdistill", "self-distillation", config.model_type, "generated_from_trainer", *given],
            base_model=on_the_hub(self.facts.base),
            datasets=self.facts.dataset if "/" in (self.facts.dataset or "") else None,
            metrics=["accuracy"],
            language=language,
            license=license,
            model_name=model_name or location.split("/")[-1] if results else None,
            eval_results=[entry for result in results for entry in metadata_of(result)] or None,
        )
