"""Classify video files.

python scripts/predict.py --model_name_or_path OUT clip.mp4 --top_k 5
"""

from hf_selfdistill.cli.console import run_script

if __name__ == "__main__":
    run_script("predict")
