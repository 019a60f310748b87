"""What a data set of clips must learn from a training run, and what a run must learn from it."""

from __future__ import annotations

import logging
import math
from typing import Any

from accelerate.utils import gather_object
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from hf_selfdistill.data.clips import RandomClips, VideoClips
from hf_selfdistill.data.streaming import StreamedVideos

__all__ = ["EpochCallback", "UnreadableVideosCallback"]

logger = logging.getLogger(__name__)


class EpochCallback(TrainerCallback):
    """Tells the training clips which epoch it is.

    Accelerate's own `set_epoch` reaches a data set neither in a distributed run nor after a resume within an epoch.
    """

    def __init__(self, clips: RandomClips | StreamedVideos) -> None:
        self.clips = clips

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """The epoch is fractional where a run resumes within it."""
        self.clips.set_epoch(int(state.epoch))


class UnreadableVideosCallback(TrainerCallback):
    """Names each video that can't be read once, with the reason, and stops where they are too many.

    Args:
        clips: the data sets of the run.
        most: the share of all their videos that may be unreadable, rounded up to whole videos: one bad file does not
            end a run on few, unless the share is 0.

    Raises:
        ValueError: that share is not between 0 and 1; while it watches, too many videos are unreadable.
    """

    def __init__(self, *clips: VideoClips, most: float = 0.05) -> None:
        if not 0 <= most <= 1:
            raise ValueError(f"--max_unreadable is {most:g}; it must lie between 0 and 1")
        self.clips = clips
        self.most = most
        self._failures: dict[str, str] = {}
        self._known: set[tuple[int, int]] = set()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Look after each step: a run on broken data should end in its first minute."""
        self.note()
        self._check(len(self._failures))

    def note(self) -> None:
        """Name what has become known as unreadable in this process."""
        for part, clips in enumerate(self.clips):
            for index in clips.unreadable_indices():
                if (part, index) not in self._known:
                    self._known.add((part, index))
                    error = clips.why_unreadable(index)
                    self._failures[error.video] = error.reason
                    logger.warning("left out, can't be read: %s", error)

    def failures(self) -> list[dict[str, str]]:
        """What could not be read, `video` and `reason`, by any process; a collective call."""
        self.note()
        found = dict(gather_object(list(self._failures.items())))
        return [{"video": video, "reason": reason} for video, reason in sorted(found.items())]

    def check(self) -> None:
        """End the run if too much is unreadable, by any process; a collective call.

        Raises:
            ValueError: more than the allowed share of the videos is unreadable.
        """
        failures = self.failures()
        self._failures |= {failure["video"]: failure["reason"] for failure in failures}
        self._check(len(failures))

    def _check(self, unreadable: int) -> None:
        videos = sum(map(len, self.clips))
        if unreadable > math.ceil(round(self.most * videos, 6)):
            video, reason = next(iter(self._failures.items()))
            raise ValueError(
                f"{unreadable} of {videos} videos can't be read, more than --max_unreadable {self.most:g} allows; "
                f"the first: {video}: {reason}"
            )
