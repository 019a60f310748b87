"""A classifier with the code of its classes beside its weights, for machines without this package."""

from __future__ import annotations

import inspect
import json
import re
from importlib import import_module
from importlib.metadata import requires, version
from importlib.util import resolve_name
from pathlib import Path

from huggingface_hub import ModelCard, ModelCardData
from transformers import BaseVideoProcessor, PreTrainedModel
from transformers.utils import CONFIG_NAME, VIDEO_PROCESSOR_NAME

from hf_selfdistill.data.whole_files import write_whole
from hf_selfdistill.models.modeling_video_encoder import VideoEncoderForVideoClassification
from hf_selfdistill.training.card import KEPT

__all__ = ["write_remote_code"]

# transformers copies a file's `from .name import` imports, from the file's own folder only.
_OWN_IMPORT = re.compile(r"^from (hf_selfdistill[\w.]*|\.\w+) import", re.MULTILINE)
_HEADER = "# Copied from hf_selfdistill {version} (Apache-2.0), so that this model loads without that package.\n"
_HEADING = "\n## Without hf_selfdistill\n"
_USE = """
The files beside the weights hold the code of the model:

```sh
pip install {packages}
```

```python
from transformers import pipeline

classify = pipeline("video-classification", model="{location}", trust_remote_code=True)
print(classify("clip.mp4"))
```
"""


def write_remote_code(
    model: PreTrainedModel, processor: BaseVideoProcessor, folder: Path, card: Path | None = None
) -> None:
    """Write weights, configurations, a card, and code that `trust_remote_code=True` loads.

    If this package is imported, transformers uses the classes of the package and does not run the copies.

    Args:
        model: a C3D or R(2+1)D classifier.
        processor: the video processor of the model.
        folder: folder of the files; created if missing.
        card: the model card so far, which gets a section; by default a new card is written.

    Raises:
        ValueError: transformers itself has the classes of the model.
    """
    if not isinstance(model, VideoEncoderForVideoClassification):
        raise ValueError(f"a {model.config.model_type} is part of transformers and needs no code; upload it as it is")
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    classes = {
        "AutoConfig": type(model.config),
        "AutoModel": model.encoder_class,
        "AutoModelForVideoClassification": type(model),
    }
    _add_code(folder, CONFIG_NAME, classes)
    _add_code(folder, VIDEO_PROCESSOR_NAME, {"AutoVideoProcessor": type(processor)})
    _write_card(folder, card, model.config.model_type)


def _add_code(folder: Path, settings: str, classes: dict[str, type]) -> None:
    """Write the source files of the classes, and name the classes in a settings file."""
    for kind in classes.values():
        for name, source in _sources(kind.__module__).items():
            write_whole(folder / f"{name}.py", source)
    entries = json.loads((folder / settings).read_text(encoding="utf-8"))
    entries["auto_map"] = {auto: f"{_stem(kind.__module__)}.{kind.__name__}" for auto, kind in classes.items()}
    write_whole(folder / settings, json.dumps(entries, indent=2, sort_keys=True) + "\n")


def _sources(module: str) -> dict[str, str]:
    """Map file names to the sources of a module and of all modules of this package that it imports."""
    found: dict[str, str] = {}
    waiting = [module]
    while waiting:
        module = waiting.pop()
        source = inspect.getsource(import_module(module))
        imported = [resolve_name(name, module.rpartition(".")[0]) for name in _OWN_IMPORT.findall(source)]
        waiting += [name for name in imported if _stem(name) not in found]
        flat = _OWN_IMPORT.sub(lambda line: f"from .{_stem(line[1])} import", source)
        found[_stem(module)] = _HEADER.format(version=version("hf_selfdistill")) + flat
    return found


def _write_card(folder: Path, card: Path | None, model_type: str) -> None:
    if card is None:
        entries = ModelCardData(
            library_name="transformers", pipeline_tag="video-classification", tags=["hf_selfdistill", model_type]
        )
        written = ModelCard(f"---\n{entries}\n---\n\n# {folder.name}\n")
    else:
        written = ModelCard.load(card)
    text, line, kept = written.text.partition(KEPT)
    text = text.partition(_HEADING)[0].rstrip()  # a second export replaces the section
    use = _USE.format(location=folder.name, packages=_packages())
    written.text = f"{text}\n{_HEADING}{use}\n{line}{kept}"
    write_whole(folder / "README.md", str(written))


def _packages() -> str:
    """Return the packages that the code needs, with the versions that this package needs."""
    needed = [
        line for line in requires("hf_selfdistill") or [] if re.match(r"(av|torch|torchvision|transformers)>", line)
    ]
    return " ".join(f'"{package}"' for package in needed)


def _stem(module: str) -> str:
    return module.rpartition(".")[2]
