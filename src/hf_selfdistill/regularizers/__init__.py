"""The rivals of self-distillation: other ways of keeping a fine-tuned encoder near what it was."""
