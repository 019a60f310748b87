"""Damaged and hostile files of a model: each is refused in one line that names the model, before memory is filled."""

import json
import subprocess
import sys
from functools import partial

import pytest
import torch
from transformers import (
    AutoModelForVideoClassification,
    AutoVideoProcessor,
    VideoMAEConfig,
    VideoMAEForVideoClassification,
)

from hf_selfdistill import C3DConfig, C3DForVideoClassification, C3DVideoProcessor
from hf_selfdistill.models.loading import load_for_inference
from hf_selfdistill.models.untrusted import load_part, load_weights

OTHER_TYPES = [b"", b"[]", b"7", b"null", b'"text"', b"{}", b"\xff\xfe\x00", b'{"a": ' + b"[" * 100_000]
VALUES = [None, "text", [], {}, -1, 10**9, 1.5, True]
HUGE = [
    {"num_labels": 10**9},
    {"num_hidden_layers": 10**9},
    {"num_frames": 10**9},
    {"image_size": 10**9},
    {"hidden_size": 10**6, "num_attention_heads": 10},
    {"intermediate_size": 10**7},
]
LIMITED = """
import resource, sys
from hf_selfdistill.models.loading import load_for_inference
import torch, transformers, torchvision, av
kilobytes = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmSize"))
resource.setrlimit(resource.RLIMIT_AS, (kilobytes * 1024 + 10**9,) * 2)
used = resource.getrusage(resource.RUSAGE_SELF).ru_utime
for folder in sys.argv[1:]:
    resource.setrlimit(resource.RLIMIT_CPU, (int(resource.getrusage(resource.RUSAGE_SELF).ru_utime) + 6, -1))
    try:
        load_for_inference(folder)
        print("loaded")
    except (ValueError, OSError) as error:
        print(" ".join(str(error).split()))
"""


@pytest.fixture
def saved(tmp_path):
    config = C3DConfig(hidden_sizes=[4, 8, 8, 8, 8], num_frames=8, image_size=16)
    C3DForVideoClassification(config).save_pretrained(tmp_path / "model")
    C3DVideoProcessor(num_frames=8).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def damaged(file):
    """Yield contents of a damaged file: cut short, with flipped bits, of another type, with other values."""
    content = file.read_bytes()
    yield content[: len(content) // 2]
    for place in range(0, min(len(content), 2000), 97):
        yield content[:place] + bytes([content[place] ^ 1 << place % 7]) + content[place + 1 :]
    yield from OTHER_TYPES
    if file.suffix == ".json":
        fields = json.loads(content)
        yield from (json.dumps({**fields, name: value}).encode() for name in fields for value in VALUES)


@pytest.mark.parametrize(
    ("name", "loads"),
    [
        ("config.json", load_for_inference),
        ("model.safetensors", load_for_inference),
        ("video_preprocessor_config.json", partial(load_part, AutoVideoProcessor)),
    ],
)
def test_a_damaged_file_loads_or_is_one_error_that_names_the_model(saved, name, loads):
    whole, loaded, refused = (saved / name).read_bytes(), 0, 0
    contents = [None, *damaged(saved / name)]
    for content in contents:
        (saved / name).unlink(missing_ok=True)
        if content is not None:
            (saved / name).write_bytes(content)
        try:
            loads(str(saved))
            loaded += 1
        except (ValueError, OSError) as error:
            assert str(saved) in str(error), error
            refused += 1
    assert refused > loaded / 4
    (saved / name).write_bytes(whole)
    load_for_inference(str(saved))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are Linux's")
def test_sizes_that_would_fill_the_memory_are_refused_within_a_gigabyte(saved, tmp_path):
    folders = [saved]
    VideoMAEForVideoClassification(
        VideoMAEConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, image_size=32)
    ).save_pretrained(tmp_path / "foreign")
    C3DVideoProcessor(num_frames=16).save_pretrained(tmp_path / "foreign")
    folders.append(tmp_path / "foreign")
    hostile = []
    for folder in folders:
        fields = json.loads((folder / "config.json").read_text())
        for number, changes in enumerate([*HUGE, {"hidden_sizes": [10**6] * 5}, {"depths": [10**9] * 5}]):
            if folder is saved and not changes.keys() & {"num_labels", *fields}:
                continue
            hostile.append(tmp_path / f"{folder.name}{number}")
            hostile[-1].mkdir()
            for file in folder.iterdir():
                (hostile[-1] / file.name).write_bytes(file.read_bytes())
            without = {key: value for key, value in fields.items() if key not in ("id2label", "label2id")}
            (hostile[-1] / "config.json").write_text(json.dumps(without | changes))
    settings = json.loads((saved / "video_preprocessor_config.json").read_text())
    (saved / "video_preprocessor_config.json").write_text(json.dumps(settings | {"size": {"shortest_edge": 10**9}}))
    hostile.append(saved)
    run = subprocess.run(
        [sys.executable, "-c", LIMITED, *map(str, hostile)], capture_output=True, text=True, check=False
    )
    lines = run.stdout.splitlines()
    assert len(lines) == len(hostile), run.stderr
    ignored = [folder for folder, line in zip(hostile, lines, strict=True) if line == "loaded"]
    assert {folder.name for folder in ignored} <= {"foreign6", "foreign7"}  # VideoMAE has no such settings
    assert all(str(folder) in line for folder, line in zip(hostile, lines, strict=True) if line != "loaded")


def test_a_model_without_its_head_is_loaded_with_a_random_one(saved):
    C3DForVideoClassification.from_pretrained(saved).encoder.save_pretrained(saved)
    model, report = load_weights(AutoModelForVideoClassification, str(saved), num_labels=4)
    assert model.classifier.out_features == 4 and model.dtype == torch.float32
    assert report["missing_keys"] == {"classifier.weight", "classifier.bias"}
