"""A run is data: the configs, and the public functions that carry them out."""
