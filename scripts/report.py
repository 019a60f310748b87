"""One page on a run, `OUT/report.html`: results, curves, confusions, what was forgotten.

python scripts/report.py --run OUT
"""

from hf_selfdistill.cli.report import main

if __name__ == "__main__":
    main()
