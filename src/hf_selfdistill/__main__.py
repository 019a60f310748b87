"""`python -m hf_selfdistill …` is the console command; so is `accelerate launch -m hf_selfdistill …`."""

from hf_selfdistill.cli.console import main

if __name__ == "__main__":
    main()
