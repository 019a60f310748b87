"""State of a module beside the model in training, in a file of each checkpoint."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from hf_selfdistill.data.whole_files import write_tensors

__all__ = ["ModuleState"]


class ModuleState:
    """Part of `checkpointed` of a trainer: the parameters and buffers of a module.

    Args:
        module: the module.
        name: name of the file in the checkpoint.
    """

    def __init__(self, module: nn.Module, name: str) -> None:
        self.module, self.name = module, name

    def save(self, folder: str | Path) -> None:
        """Write the file into a checkpoint."""
        write_tensors(Path(folder) / self.name, self.module.state_dict())

    def load(self, folder: str | Path) -> None:
        """Restore the module from a checkpoint.

        Raises:
            ValueError: the file is missing, damaged or of another module.
        """
        file = Path(folder) / self.name
        try:
            self.module.load_state_dict(load_file(file))
        except (OSError, SafetensorError, RuntimeError) as error:
            raise ValueError(
                f"{file} can't be restored ({type(error).__name__}: {' '.join(str(error).split())}); resume from "
                "another checkpoint, or with the `regularizer` of this checkpoint"
            ) from error
