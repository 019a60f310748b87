"""The demo page as a Space; the variables MODEL and COMPARE_WITH in the settings name the models."""

import os

from hf_selfdistill.cli.app import main

flags = ["--model_name_or_path", os.environ["MODEL"], "--server_name", "0.0.0.0"]
if os.environ.get("COMPARE_WITH"):
    flags += ["--compare_with", os.environ["COMPARE_WITH"]]
main(flags)
