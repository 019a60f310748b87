"""One experiment in its own process: `python -m hf_selfdistill.experiments.run PLAN.json`."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

from hf_selfdistill.experiments.experiment import run_plan

__all__ = ["main"]


def main(file: str) -> None:
    """Run the configs of a plan file; a user's mistake ends the process with one line."""
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    try:
        run_plan(json.loads(Path(file).read_text(encoding="utf-8")))
    except (ValueError, OSError, ImportError) as error:
        logging.getLogger(__name__).debug("traceback:", exc_info=True)
        sys.exit(f"error: {' '.join(str(error).split())}")


if __name__ == "__main__":
    main(sys.argv[1])
