"""Data sets of videos, from files to clips."""
