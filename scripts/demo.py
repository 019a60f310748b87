"""Fine-tune with and without self-distillation on videos written for the purpose, test both, print a table.

python scripts/demo.py --output_dir demo
"""

from hf_selfdistill.cli.demo import main

if __name__ == "__main__":
    main()
