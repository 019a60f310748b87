"""One of two processes: shuffles a batch, pre-trains for two steps, writes down what it saw.

torchrun --standalone --nproc_per_node 2 tests/pretraining/shuffling_worker.py FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch.utils.data import Dataset
from transformers import set_seed

from hf_selfdistill.models import C3DConfig, C3DModel, C3DVideoProcessor
from hf_selfdistill.pretraining.arguments import PretrainingArguments
from hf_selfdistill.pretraining.batch_shuffle import on_shuffled_batch
from hf_selfdistill.pretraining.rspnet import RSPNet, RSPNetArguments
from hf_selfdistill.pretraining.trainer import PretrainingTrainer


class Windows(Dataset):
    def __len__(self) -> int:
        return 16

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        frames = torch.randn(2, 16, 3, 16, 16, generator=torch.Generator().manual_seed(index))
        return {"query_frames": frames[0], "key_frames": frames[1]}


def main(folder: Path) -> None:
    args = PretrainingArguments(
        str(folder / "run"),
        per_device_train_batch_size=4,
        max_steps=2,
        learning_rate=0.05,
        logging_steps=2,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
    )
    rank, seen = args.process_index, []

    def note(clips: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        seen.append(clips)
        return clips * 2, clips + 100

    mine = torch.arange(8.0) + 8 * rank
    doubled, raised = on_shuffled_batch(note, mine)
    set_seed(0)
    encoder = C3DModel(C3DConfig(hidden_sizes=[4, 8, 8, 8, 8], num_frames=8, image_size=16))
    objective = RSPNet(encoder, RSPNetArguments(embedding_size=6, queue_size=20))
    trainer = PretrainingTrainer(objective, args, train_dataset=Windows(), processing_class=C3DVideoProcessor())
    trainer.train()
    statistics = objective.key_encoder.get_submodule("stages.0.layers.0.norm").running_mean
    torch.save(
        {
            "world_size": args.world_size,
            "mine": mine,
            "seen": seen[0],
            "doubled": doubled,
            "raised": raised,
            "queue": objective.queue,
            "queue_start": objective.queue_start,
            "log": [log for log in trainer.state.log_history if "speed_accuracy" in log],
            "key_statistics": statistics,
        },
        folder / f"rank{rank}.pt",
    )
    trainer.end()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
