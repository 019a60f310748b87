"""Fields of TrainingArguments that the help pages show."""

from __future__ import annotations

__all__ = ["EVALUATION", "TRAINING"]

TRAINING = (
    "output_dir",
    "num_train_epochs",
    "learning_rate",
    "per_device_train_batch_size",
    "per_device_eval_batch_size",
    "gradient_accumulation_steps",
    "optim",
    "optim_args",
    "weight_decay",
    "max_grad_norm",
    "bf16",
    "torch_compile",
    "eval_strategy",
    "save_strategy",
    "save_total_limit",
    "load_best_model_at_end",
    "resume_from_checkpoint",
    "dataloader_num_workers",
    "logging_steps",
    "report_to",
    "push_to_hub",
    "seed",
)
EVALUATION = ("per_device_eval_batch_size", "dataloader_num_workers", "bf16", "use_cpu", "disable_tqdm")
