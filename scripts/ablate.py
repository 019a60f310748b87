"""Compare fine-tuning over a grid of settings.

    python scripts/ablate.py --output_dir OUT --distill_weights 0 1 10 100 --seeds 0 1 2 \
        --config configs/ucf101_c3d.yaml --model_name_or_path ENCODER --dataset_root VIDEOS --annotations LISTS

All other flags are those of scripts/finetune.py. The same command resumes.
"""

from hf_selfdistill.cli.console import run_script

if __name__ == "__main__":
    run_script("ablate")
