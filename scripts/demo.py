"""Run both stages on generated videos, with and without self-distillation, and print a table.

python scripts/demo.py --output_dir demo
"""

from hf_selfdistill.cli.console import run_script

if __name__ == "__main__":
    run_script("demo")
