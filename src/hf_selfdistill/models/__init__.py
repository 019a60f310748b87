"""Encoders, the video processor and what loads, converts and adapts them."""
