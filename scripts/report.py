"""Write a page about a run, `OUT/report.html`: results, curves, confusion matrix, forgetting.

python scripts/report.py --run OUT
"""

from hf_selfdistill.cli.console import run_script

if __name__ == "__main__":
    run_script("report")
