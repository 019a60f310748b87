"""Pre-train an encoder on videos without labels.

    python scripts/pretrain.py --objective rspnet --model_type c3d --dataset_root VIDEOS --output_dir ENCODER

On several GPUs: `accelerate launch scripts/pretrain.py …` with the same flags.
"""

from hf_selfdistill.cli.console import run_script

if __name__ == "__main__":
    run_script("pretrain")
