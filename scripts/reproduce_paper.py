"""Reproduce the paper's Tables 1 and 2: pre-train, fine-tune, test, and write our numbers beside the paper's.

    python scripts/reproduce_paper.py --output_dir OUT --plan --c3d ENCODER --r2plus1d ENCODER \
        --ucf101_root UCF-101 --ucf101_annotations ucfTrainTestlist \
        --hmdb51_root hmdb51_org --hmdb51_annotations testTrainMulti_7030_splits

Without --plan the runs start; the same command resumes. The same chain in minutes: --smoke --output_dir OUT.
"""

from hf_selfdistill.cli.console import run_script

if __name__ == "__main__":
    run_script("reproduce")
