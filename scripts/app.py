"""Serve a page in the browser that classifies videos.

python scripts/app.py --model_name_or_path OUT --compare_with BASELINE
"""

from hf_selfdistill.cli.console import run_script

if __name__ == "__main__":
    run_script("app")
