"""Measurements of encoders: features, probes, retrieval, retention and drift."""
