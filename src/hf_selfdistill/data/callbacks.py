"""Callbacks between a training run and its data sets of clips: the current epoch, and unreadable videos."""

from __future__ import annotations

import logging
import math
from typing import Any

from accelerate.utils import gather_object
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from hf_selfdistill.data.clips import RandomClips, VideoClips
from hf_selfdistill.data.origin import relative_name
from hf_selfdistill.data.streaming import StreamedVideos

__all__ = ["EpochCallback", "UnreadableVideosCallback"]

logger = logging.getLogger(__name__)


class EpochCallback(TrainerCallback):
    """Callback that sets the current epoch in the training clips.

    Accelerate's own `set_epoch` reaches a data set neither in a distributed run nor after a resume within an epoch.

    Args:
        clips: the training clips.
    """

    def __init__(self, clips: RandomClips | StreamedVideos) -> None:
        self.clips = clips

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Set the epoch."""
        self.clips.set_epoch(int(state.epoch))  # `epoch` is fractional after a resume within an epoch


class UnreadableVideosCallback(TrainerCallback):
    """Callback that warns once about each unreadable video, with the reason, and ends a run with too many of them.

    Args:
        clips: the data sets of the run.
        most: largest allowed share of unreadable videos among the videos of all data sets, rounded up to whole
            videos: one bad file does not end a run on few videos, unless the share is 0.

    Raises:
        ValueError: the share is not between 0 and 1, or, during the run, too many videos are unreadable.
    """

    def __init__(self, *clips: VideoClips, most: float = 0.05) -> None:
        if not 0 <= most <= 1:
            raise ValueError(f"`most` is {most:g}; it must lie between 0 and 1")
        self.clips = clips
        self.most = most
        self._failures: dict[str, str] = {}
        self._reported: set[tuple[int, int]] = set()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Check after each step, so that a run on broken data ends in its first minute."""
        self.note()
        self._check(len(self._failures))

    def note(self) -> None:
        """Warn about the videos that this process newly found unreadable."""
        for part, clips in enumerate(self.clips):
            for index in clips.unreadable_indices():
                if (part, index) not in self._reported:
                    self._reported.add((part, index))
                    error = clips.why_unreadable(index)
                    self._failures[relative_name(clips.records, index)] = error.reason
                    logger.warning("Skipped an unreadable video: %s", error)

    def failures(self) -> list[dict[str, str]]:
        """Return `video` and `reason` of each video that any process could not read; a collective call."""
        self.note()
        found = dict(gather_object(list(self._failures.items())))
        return [{"video": video, "reason": reason} for video, reason in sorted(found.items())]

    def check(self) -> None:
        """End the run if too many videos are unreadable, over all processes; a collective call.

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
                f"{unreadable} of {videos} videos can't be read, more than `max_unreadable` {self.most:g} allows; "
                f"repair or remove them; the first: {video}: {reason}"
            )
