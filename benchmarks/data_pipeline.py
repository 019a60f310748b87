"""A data worker's clips, with 0, 1 and 2 workers, against transformers' reader with torchvision's transforms.

python benchmarks/data_pipeline.py [FOLDER]

FOLDER has videos in a folder for each class; without it, the videos are generated. CPU time per clip, that of the
worker processes included.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import numpy as np
import torch
from decoding import decode_up_to_the_last
from interleaved import measure, print_machine, print_table
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from hf_selfdistill import C3DConfig, load_video_dataset
from hf_selfdistill.data.clips import TrainingClips
from hf_selfdistill.data.decoding import VideoReader
from hf_selfdistill.data.moving_shapes import write_moving_shapes
from hf_selfdistill.data.sampling import ClipSampler, random_clip
from hf_selfdistill.data.transforms import ClipProcessor, training_augmentation
from hf_selfdistill.models.loading import from_scratch

FRAMES = C3DConfig().num_frames
NORMALISE = v2.Normalize([0.5] * 3, [0.5] * 3)
PEERS = {
    "torchvision on float": [v2.ToDtype(torch.float32, scale=True), v2.RandomResizedCrop(112)],
    "torchvision on uint8": [v2.RandomResizedCrop(112), v2.ToDtype(torch.float32, scale=True)],
}


class PeerClips(Dataset):
    """Clips as the guides of transformers and torchvision read them."""

    def __init__(self, paths: list[str], transforms: list[v2.Transform]) -> None:
        self.paths, self.transform = paths, v2.Compose([*transforms, v2.RandomHorizontalFlip(), NORMALISE])

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> torch.Tensor:
        path = Path(self.paths[index])
        with VideoReader(path) as reader:
            indices = random_clip(reader.num_frames, FRAMES)
        frames = torch.from_numpy(np.ascontiguousarray(decode_up_to_the_last(path, indices)))
        return self.transform(frames.permute(0, 3, 1, 2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--num_videos", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2])
    args = parser.parse_args()
    print_machine("torchvision", "av")
    with tempfile.TemporaryDirectory() as name:
        if args.folder is None:
            write_moving_shapes(name, videos_per_class=4, num_frames=64, size=160)
            videos = load_video_dataset("moving_shapes", name, validation_fraction=0)["train"]
        else:
            videos = load_video_dataset("folder", args.folder, validation_fraction=0)["train"]
        videos = videos.select(range(min(args.num_videos, len(videos))))
        processor = from_scratch("c3d", None)[1]
        transform = ClipProcessor(processor, training_augmentation(ClipProcessor.size_of(processor)))
        paths = [video["path"] for video in videos["video"]]
        sets: dict[str, Dataset] = {"our clips": TrainingClips(videos, ClipSampler(None, FRAMES), transform)}
        sets |= {f"read_video_pyav, {kind}": PeerClips(paths, steps) for kind, steps in PEERS.items()}

        def read_all(kind: str, workers: int) -> None:
            for _ in DataLoader(sets[kind], batch_size=8, num_workers=workers):
                pass

        rows = []
        for workers in args.workers:
            subjects = {kind: lambda kind=kind, workers=workers: read_all(kind, workers) for kind in sets}
            ms = measure(subjects, args.rounds, clock=lambda: sum(os.times()[:4]))
            each = {kind: value / len(videos) for kind, value in ms.items()}
            rows += [
                (f"{workers} workers", each["our clips"], other, each[other]) for other in sets if other != "our clips"
            ]
    print_table(f"a clip of {FRAMES}×112×112, {torch.get_num_threads()} threads", rows)


if __name__ == "__main__":
    main()
