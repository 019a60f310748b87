"""Export a fine-tuned classifier.

python scripts/export_model.py --model_name_or_path OUT --output_dir EXPORTED --format onnx
"""

from hf_selfdistill.cli.console import run_script

if __name__ == "__main__":
    run_script("export")
