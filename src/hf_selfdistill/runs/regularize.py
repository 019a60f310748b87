"""Preparation of a trainer for a regularizer other than self-distillation."""

from __future__ import annotations

from transformers import Trainer

from hf_selfdistill.regularizers.encoder_lr import slower_encoder
from hf_selfdistill.regularizers.l2_sp import L2SPCallback
from hf_selfdistill.regularizers.layerwise_lr_decay import layerwise
from hf_selfdistill.regularizers.linear_probe import freeze_encoder
from hf_selfdistill.regularizers.ps_kd import PastTargetsCallback
from hf_selfdistill.regularizers.run_average import RunAverageCallback
from hf_selfdistill.regularizers.wise_ft import WeightAverageCallback
from hf_selfdistill.runs.configs import FinetuneConfig
from hf_selfdistill.self_distillation.trainer import SelfDistillationTrainer

__all__ = ["regularize"]


def regularize(trainer: SelfDistillationTrainer, config: FinetuneConfig) -> None:
    """Prepare a trainer for its regularizer, before training and before any checkpoint is loaded."""
    model, described = trainer.model, trainer.method
    match config.regularizer:
        case "l2_sp":
            trainer.add_callback(L2SPCallback(model, config.l2_sp_weight))
            described["L2-SP"] = f"α = {config.l2_sp_weight:g} on the encoder"
        case "encoder_lr" | "layerwise_lr_decay" as name:
            optimizer, settings = Trainer.get_optimizer_cls_and_kwargs(config)
            if name == "encoder_lr":
                optimizer = slower_encoder(optimizer, model, config.encoder_lr_share)
                described["learning rate of the encoder"] = f"{config.encoder_lr_share:g} of the head's"
            else:
                optimizer = layerwise(optimizer, model, config.layer_lr_decay)
                described["learning rate by layer"] = f"decays by {config.layer_lr_decay:g} from each layer downwards"
            trainer.optimizer_cls_and_kwargs = (optimizer, settings)
        case "linear_probe":
            freeze_encoder(model)
            described["encoder"] = "frozen; only the last layer was trained"
        case "ps_kd":
            trainer.add_callback(PastTargetsCallback(trainer, config.ps_kd_weight))
            described["PS-KD"] = f"soft targets of the last epoch, α from 0 to {config.ps_kd_weight:g}"
        case "ema":
            trainer.add_callback(RunAverageCallback(trainer, config.ema_decay))
            described["weights"] = f"moving average with decay {config.ema_decay:g} per step"
        case "swa":
            trainer.add_callback(RunAverageCallback(trainer, start=config.swa_start))
            described["weights"] = f"mean over the epochs after {config.swa_start:g} of the run"
        case "wise_ft":
            share, with_head = config.wise_ft_weights[0], config.starts_from_probe
            trainer.add_callback(WeightAverageCallback(trainer, config.wise_ft_weights, with_head))
            averaged = "the model" if with_head else "the encoder"
            described["WiSE-FT"] = f"{averaged} is {share:g} · fine-tuned + {1 - share:g} · pre-trained weights"
    if config.starts_from_probe:
        described["head before fine-tuning"] = "linear probe"
