"""CPU time of a clip of 16 frames from prepared videos, against the original files.

    hf-selfdistill prepare --dataset_root FOLDER --output_dir PREPARED
    python benchmarks/prepared.py FOLDER PREPARED [--num_videos 24] [--rounds 9]

Both take turns on the same frames, from a random start. Opening the file counts. Printed are medians over videos and
rounds, the ratio of the medians, and the ratio of the sums.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from pathlib import Path

from hf_selfdistill.data.prepared import Trailer, open_video

NUM_FRAMES = 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of the original videos")
    parser.add_argument("prepared", type=Path, help="folder of the prepared videos")
    parser.add_argument("--num_videos", type=int, default=24, help="maximum number of videos, drawn at random")
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    draw = random.Random(0)
    names = sorted(
        file.relative_to(arguments.prepared) for file in arguments.prepared.rglob("*") if Trailer.of(file) is not None
    )
    names = draw.sample(names, min(arguments.num_videos, len(names)))
    times: dict[Path, list[float]] = {arguments.folder: [], arguments.prepared: []}
    for round_ in range(arguments.rounds + 1):
        for name in names:
            with open_video(arguments.prepared / name) as reader:
                first = draw.randrange(max(1, reader.num_frames - NUM_FRAMES + 1))
            for root, seconds in times.items():
                start = time.process_time()
                with open_video(root / name) as reader:
                    reader.read(range(first, first + NUM_FRAMES))
                if round_:  # the first warms up
                    seconds.append(time.process_time() - start)
    original, prepared = times.values()
    medians = [1000 * statistics.median(seconds) for seconds in (original, prepared)]
    print(f"{len(names)} videos: original {medians[0]:.2f} ms, prepared {medians[1]:.2f} ms")
    print(f"ratio of medians {medians[1] / medians[0]:.3f}, of sums {sum(prepared) / sum(original):.3f}")


if __name__ == "__main__":
    main()
