"""Stage one: self-supervised objectives for video encoders."""
