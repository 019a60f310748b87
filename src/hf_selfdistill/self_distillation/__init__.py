"""Epoch-wise self-distillation, the method of the paper."""
