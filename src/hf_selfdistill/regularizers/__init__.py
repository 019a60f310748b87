"""Regularizers to compare self-distillation with."""
