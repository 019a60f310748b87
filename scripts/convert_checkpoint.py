"""Convert a pre-trained encoder of RSPNet, VCOP, Pace or torchvision.

python scripts/convert_checkpoint.py --source rspnet --checkpoint model_best_c3d_200epoch.pth.tar \
    --output_dir ENCODER
"""

from hf_selfdistill.cli.console import run_script

if __name__ == "__main__":
    run_script("convert")
