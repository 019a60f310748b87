"""What every card that training writes has in common: when it is written, and what of the run it tells."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

from huggingface_hub import ModelCard, ModelCardData
from transformers import PreTrainedConfig, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from hf_selfdistill.hub.card_tables import REPORT, link_report
from hf_selfdistill.training.citations import works_behind
from hf_selfdistill.hub.curves import draw_curves
from hf_selfdistill.models import C3DConfig, R2Plus1DConfig

__all__ = ["CardCallback"]

OURS = (C3DConfig.model_type, R2Plus1DConfig.model_type)
"""Encoders that transformers knows by this package, which their cards say."""


class CardCallback(TrainerCallback, ABC):
    """Writes the card, README.md, into the output folder before each upload.

    Hand its `write` to the trainer as `model_card` too, for `create_model_card`.

    Args:
        facts: what only the one who starts the run knows; with `base` and `hyperparameters`.
    """

    template: ClassVar[Path]

    def __init__(self, facts: Any) -> None:
        self.facts = facts

    def on_push_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: Any, **kwargs: Any
    ) -> None:
        """The card of the run so far."""
        if state.is_world_process_zero:
            self.write(args, state, model.config)

    def write(
        self,
        args: TrainingArguments,
        state: TrainerState,
        config: PreTrainedConfig,
        language: str | None = None,
        license: str | None = None,
        tags: str | list[str] | None = None,
        model_name: str | None = None,
    ) -> None:
        """Write README.md, with a link to the report where there is one, and its picture where there are curves.

        Args:
            args: of the run.
            state: of the run; its log has the figures.
            config: of the model.
            language: as `Trainer.create_model_card` takes it, and so are the others.
            license: of the model.
            tags: more of them.
            model_name: on the Hub.
        """
        folder = Path(args.output_dir)
        location = args.hub_model_id or folder.name
        name = location.split("/")[-1]
        said, known = self.own(args, state, config, model_name or name)
        given = [tags] if isinstance(tags, str) else tags or []
        known["tags"] = ["hf_selfdistill", *known["tags"], config.model_type, *given]
        card = ModelCard.from_template(
            ModelCardData(
                library_name="transformers",
                base_model=_on_the_hub(self.facts.base),
                language=language,
                license=license,
                **known,
            ),
            template_path=str(self.template),
            **vars(self.facts) | {"hyperparameters": {**_hyperparameters(args, state), **self.facts.hyperparameters}},
            name=name,
            location=location,
            architecture=(config.architectures or [config.model_type])[0],
            ours=config.model_type in OURS,
            curves=draw_curves(state.log_history, folder),
            license=license,
            works=works_behind(config),
            **said,
        )
        card.save(folder / "README.md")
        if (folder / REPORT).is_file():
            link_report(folder / "README.md")

    @abstractmethod
    def own(
        self, args: TrainingArguments, state: TrainerState, config: PreTrainedConfig, name: str
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """What only this card says, and what only its metadata has, `tags` among them.

        Args:
            args: of the run.
            state: of the run.
            config: of the model.
            name: of the model.
        """


def _on_the_hub(base: str | None) -> str | None:
    """A base that is a name on the Hub; None of one in words."""
    return base if base is not None and base.count("/") == 1 and " " not in base else None


def _hyperparameters(args: TrainingArguments, state: TrainerState) -> dict[str, str]:
    """How the optimiser is set and what it has done so far, name → value in words."""
    precision = "bfloat16 autocast" if args.bf16 else "float16 autocast" if args.fp16 else "float32"
    rows: dict[str, Any] = {
        "optimiser": str(args.optim.value) + (f" ({args.optim_args})" if args.optim_args else ""),
        "learning rate": f"{args.learning_rate:g}",
        "weight decay": f"{args.weight_decay:g}",
        "gradient norm clipped at": f"{args.max_grad_norm:g}" if args.max_grad_norm else "not clipped",
        "epochs": f"{state.epoch or 0:g} of {state.num_train_epochs}",
        "steps": f"{state.global_step} of {state.max_steps}",
        "videos per step": args.train_batch_size * args.gradient_accumulation_steps * args.world_size,
        "processes": args.world_size,
        "precision": precision,
        "seed": args.seed,
    }
    return {name: str(value) for name, value in rows.items()}
