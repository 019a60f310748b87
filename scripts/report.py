"""Write a page about a run, `OUT/report.html`: results, curves, confusion matrix, forgetting.

python scripts/report.py --run OUT
"""

from hf_selfdistill.cli.report import main

if __name__ == "__main__":
    main()
