"""Training on video, for every loss: the base trainers, checkpoints, and the record and card of a run."""
