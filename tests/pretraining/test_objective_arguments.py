import subprocess
import sys

from hf_selfdistill.pretraining.objective_arguments import OBJECTIVE_ARGUMENTS
from hf_selfdistill.pretraining.objectives import OBJECTIVES


def test_every_objective_has_its_arguments():
    assert {name: objective.Arguments for name, objective in OBJECTIVES.items()} == OBJECTIVE_ARGUMENTS


def test_the_help_of_pretrain_imports_no_objective():
    code = (
        "import sys\nfrom hf_selfdistill.cli.pretrain import parser\nparser(['--objective', 'pace']).format_help()\n"
        "heavy = {'datasets', 'av', 'hf_selfdistill.pretraining.objective'} & sys.modules.keys()\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
