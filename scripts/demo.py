"""Run both stages on generated videos, with and without self-distillation, and print a table.

python scripts/demo.py --output_dir demo
"""

from hf_selfdistill.cli.demo import main

if __name__ == "__main__":
    main()
