"""A model with the code beside its weights loads without this package and gives the same results."""

from __future__ import annotations

import ast
import os
import subprocess
import sys

import pytest
import torch
from records import fine_tuning
from safetensors.torch import load_file
from tiny_classifiers import tiny_model, tiny_processor
from transformers import AutoModel, AutoModelForVideoClassification, AutoVideoProcessor, pipeline
from videos import numbered_frames, write_video

from hf_selfdistill import (
    C3DConfig,
    C3DForVideoClassification,
    C3DModel,
    C3DVideoProcessor,
    R2Plus1DConfig,
    R2Plus1DForVideoClassification,
)
from hf_selfdistill.hub.remote_code import write_remote_code
from hf_selfdistill.training.card import KEPT, write_card

TINY = {"num_frames": 8, "image_size": 16, "id2label": {0: "jump", 1: "run", 2: "walk"}}
OURS = {
    "c3d": lambda: C3DForVideoClassification(C3DConfig(hidden_sizes=[4, 8, 8, 8, 8], **TINY)),
    "r2plus1d": lambda: R2Plus1DForVideoClassification(R2Plus1DConfig(hidden_sizes=[4, 4, 8, 8, 8], **TINY)),
}
PACKAGES = ["torch", "torchvision", "transformers", "av"]
WITHOUT_US = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "hf_selfdistill":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
from safetensors.torch import save_file
from transformers import AutoModel, AutoModelForVideoClassification, AutoVideoProcessor, pipeline

folder, video, out = sys.argv[1:]
trusted = {"trust_remote_code": True}
model = AutoModelForVideoClassification.from_pretrained(folder, **trusted)
pixel_values = AutoVideoProcessor.from_pretrained(folder, **trusted)(video, return_tensors="pt")["pixel_values"]
features = AutoModel.from_pretrained(folder, **trusted).eval()(pixel_values).pooler_output
logits = model(pixel_values).logits
found = {"pixel_values": pixel_values, "logits": logits, "features": features}
save_file({name: tensor.detach().contiguous() for name, tensor in found.items()}, out)
print(pipeline("video-classification", model=folder, **trusted)(video))
assert not any(name.startswith("hf_selfdistill") for name in sys.modules)
"""


@pytest.fixture(params=OURS)
def exported(request, tmp_path):
    torch.manual_seed(0)
    sizes = {"size": {"shortest_edge": 16}, "crop_size": {"height": 16, "width": 16}, "num_frames": 8}
    model, folder = OURS[request.param]().eval(), tmp_path / f"{request.param}-model"
    write_remote_code(model, C3DVideoProcessor(frame_stride=2, **sizes), folder)
    return folder


@pytest.fixture
def video(tmp_path):
    return str(write_video(tmp_path / "v.mp4", numbered_frames(29)))


def run_without_us(folder, video, out):
    """Return what a machine without this package prints."""
    caches = {"HF_HOME": str(out.parent / "hf"), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_US, str(folder), video, str(out)],
        capture_output=True,
        text=True,
        env={**os.environ, **caches},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return ast.literal_eval(done.stdout)


@torch.no_grad()
def test_without_the_package_clips_logits_features_and_pipeline_are_equal(exported, video, tmp_path):
    found = run_without_us(exported, video, tmp_path / "out.safetensors")
    clips = AutoVideoProcessor.from_pretrained(exported)(video, return_tensors="pt")
    model = AutoModelForVideoClassification.from_pretrained(exported)
    there = load_file(tmp_path / "out.safetensors")
    assert torch.equal(there["pixel_values"], clips["pixel_values"]) and clips["pixel_values"].std() > 0
    torch.testing.assert_close(there["logits"], model(**clips).logits, rtol=0, atol=1e-6)
    features = AutoModel.from_pretrained(exported).eval()(**clips).pooler_output
    torch.testing.assert_close(there["features"], features, rtol=0, atol=1e-6)
    here = pipeline("video-classification", model=str(exported))(video)
    assert [row["label"] for row in found] == [row["label"] for row in here]
    assert [row["score"] for row in found] == pytest.approx([row["score"] for row in here], abs=1e-6)


@pytest.mark.parametrize("exported", ["c3d"], indirect=True)
def test_a_model_on_the_hub_loads_by_name_without_the_package(exported, video, hub, run_online, tmp_path):
    upload = "import sys; from huggingface_hub import HfApi as A; A().create_repo('tester/model'); "
    run_online("-c", upload + "A().upload_folder(repo_id='tester/model', folder_path=sys.argv[1])", exported)
    found = run_online("-c", WITHOUT_US, "tester/model", video, tmp_path / "out.safetensors").stdout
    here = pipeline("video-classification", model=str(exported))(video)
    assert [row["label"] for row in ast.literal_eval(found)] == [row["label"] for row in here]
    clips = AutoVideoProcessor.from_pretrained(exported)(video, return_tensors="pt")
    logits = AutoModelForVideoClassification.from_pretrained(exported)(**clips).logits
    torch.testing.assert_close(load_file(tmp_path / "out.safetensors")["logits"], logits, rtol=0, atol=1e-6)


def test_the_code_imports_only_the_packages_that_its_card_names(exported):
    files = sorted(exported.glob("*.py"))
    assert {"decoding", "sampling", "video_processing_c3d"} < {file.stem for file in files}
    allowed = set(sys.stdlib_module_names) | {"torch", "transformers", "av", "numpy"}
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level:
                assert node.level == 1 and (exported / f"{node.module}.py").is_file()
            elif isinstance(node, ast.Import | ast.ImportFrom):
                names = [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
                assert {name.partition(".")[0] for name in names} <= allowed


@pytest.mark.parametrize("exported", ["c3d"], indirect=True)
def test_with_the_package_its_classes_are_used_trusted_or_not(exported):
    for trust in (True, False, None):
        model = AutoModelForVideoClassification.from_pretrained(exported, trust_remote_code=trust)
        processor = AutoVideoProcessor.from_pretrained(exported, trust_remote_code=trust)
        assert (type(model), type(model.config)) == (C3DForVideoClassification, C3DConfig)
        assert type(processor) is C3DVideoProcessor and processor.frame_stride == 2
        assert type(AutoModel.from_pretrained(exported, trust_remote_code=trust)) is C3DModel
    assert not [name for name in sys.modules if name.startswith("transformers_modules") and "c3d" in name]


@pytest.mark.parametrize("exported", ["c3d"], indirect=True)
def test_the_card_gets_a_section_and_keeps_its_text(exported, tmp_path):
    card = (exported / "README.md").read_text()
    assert 'model="c3d-model", trust_remote_code=True' in card and "pipeline_tag: video-classification" in card
    (install,) = (line for line in card.splitlines() if line.startswith("pip install "))
    assert [word.partition(">=")[0].strip('"') for word in install.split()[2:]] == PACKAGES
    (exported / "README.md").write_text(card.replace("# c3d-model", "# Jumps and runs"))
    model, processor = (
        auto.from_pretrained(exported) for auto in (AutoModelForVideoClassification, AutoVideoProcessor)
    )
    write_remote_code(model, processor, tmp_path / "again", exported / "README.md")
    again = (tmp_path / "again" / "README.md").read_text()
    assert "# Jumps and runs" in again and again.count("trust_remote_code") == 1 and 'model="again"' in again


def test_the_section_lies_above_the_line_and_text_below_the_line_is_kept(tmp_path):
    (tmp_path / "run").mkdir()
    write_card(tmp_path / "run", fine_tuning())
    card = tmp_path / "run" / "README.md"
    card.write_text(card.read_text() + "my own words\n")
    for source in (card, tmp_path / "out" / "README.md"):
        write_remote_code(OURS["c3d"](), C3DVideoProcessor(num_frames=8), tmp_path / "out", source)
    text = (tmp_path / "out" / "README.md").read_text()
    above, below = text.split(KEPT)
    assert below == "\nmy own words\n" and above.count("## Without hf_selfdistill") == 1
    assert above.index("## Citation") < above.index("## Without hf_selfdistill") and "## How to use it" in above


def test_a_model_of_transformers_is_refused(tmp_path):
    with pytest.raises(ValueError, match="a videomae is part of transformers and needs no code"):
        write_remote_code(tiny_model("videomae"), tiny_processor("videomae"), tmp_path / "out")
    assert not (tmp_path / "out").exists()
