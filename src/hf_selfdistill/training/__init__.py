"""What fine-tuning and pre-training ask of transformers' Trainer, whatever the loss."""
