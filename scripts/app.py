"""Serve a page in the browser that classifies videos.

python scripts/app.py --model_name_or_path OUT --compare_with BASELINE
"""

from hf_selfdistill.cli.app import main

if __name__ == "__main__":
    main()
