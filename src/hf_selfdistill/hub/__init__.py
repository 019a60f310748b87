"""Exports to other runtimes and to machines without this package."""
