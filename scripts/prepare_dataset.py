"""Check all videos of a folder, and copy them in a form that is fast to read.

python scripts/prepare_dataset.py --dataset_root UCF-101 --output_dir UCF-101-prepared
"""

from hf_selfdistill.cli.console import run_script

if __name__ == "__main__":
    run_script("prepare")
