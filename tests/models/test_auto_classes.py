"""The encoders are known to transformers, whichever of the two packages is imported first."""

from __future__ import annotations

import subprocess
import sys

import pytest

ORDERS = {
    "before pipeline": "import hf_selfdistill; from transformers import pipeline",
    "after pipeline": "from transformers import Trainer, pipeline; import hf_selfdistill",
    **{
        name: pytest.param(order, marks=pytest.mark.slow)
        for name, order in {
            "before AutoConfig": "import hf_selfdistill; from transformers import AutoConfig",
            "before AutoModel": "import hf_selfdistill; from transformers import AutoModel",
            "before TrainingArguments": "import hf_selfdistill; from transformers import TrainingArguments",
            "after transformers": "import transformers; import hf_selfdistill",
            "from an encoder": "from hf_selfdistill.models.modeling_c3d import C3DModel",
            "from the base of the encoders": "import hf_selfdistill.models.modeling_video_encoder",
        }.items()
    },
}
KNOWN = """
from transformers import AutoConfig, AutoModel, AutoModelForVideoClassification
from transformers.models.auto.video_processing_auto import VIDEO_PROCESSOR_MAPPING

for kind in ("c3d", "r2plus1d"):
    config = AutoConfig.for_model(kind, hidden_sizes=[4, 4, 4, 4, 4], num_frames=8, image_size=16)
    for auto in (AutoModel, AutoModelForVideoClassification):
        assert type(auto.from_config(config)).__module__ == f"hf_selfdistill.models.modeling_{kind}"
    assert type(config) in VIDEO_PROCESSOR_MAPPING
"""


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_the_encoders_are_known_in_every_order_of_imports(order):
    subprocess.run([sys.executable, "-c", f"{order}\n{KNOWN}"], check=True)


@pytest.mark.slow
def test_a_config_alone_loads_no_model_code():
    code = (
        "import sys, hf_selfdistill; from transformers import AutoConfig; AutoConfig.for_model('c3d'); "
        "assert 'hf_selfdistill.models.modeling_c3d' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
