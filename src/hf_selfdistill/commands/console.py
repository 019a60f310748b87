"""The console command, for those who have imported the package already."""

from __future__ import annotations

from hf_selfdistill_console import COMMANDS, NAME, main

__all__ = ["COMMANDS", "NAME", "main"]
