"""Self-supervised pre-training of video encoders."""
