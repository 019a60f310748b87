"""Test a fine-tuned classifier as the paper does: 10 clips per video, logits averaged.

    python scripts/evaluate_model.py --model_name_or_path OUT --dataset ucf101 --dataset_root UCF-101 \
        --annotations ucfTrainTestlist --split 1 --output_file evaluation.json
"""

from hf_selfdistill.cli.console import run_script

if __name__ == "__main__":
    run_script("evaluate")
