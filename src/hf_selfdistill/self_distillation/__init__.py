"""The paper: epoch-wise self-distillation."""
