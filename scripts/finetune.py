"""Fine-tune a video classifier with self-distillation.

    python scripts/finetune.py --config configs/ucf101_c3d.yaml --model_name_or_path ENCODER \
        --dataset_root UCF-101 --annotations ucfTrainTestlist --output_dir OUT

On several GPUs: `accelerate launch scripts/finetune.py …` with the same flags.
"""

from hf_selfdistill.cli.console import run_script

if __name__ == "__main__":
    run_script("finetune")
