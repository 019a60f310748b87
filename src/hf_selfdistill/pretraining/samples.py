"""Samples of an objective from raw videos, and counts of unreadable and short videos."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import datasets
from accelerate.utils import gather_object

from hf_selfdistill.data.findings import VideoFindings
from hf_selfdistill.data.origin import undecoded
from hf_selfdistill.data.unlabelled import StreamedUnlabelledClips, UnlabelledClips, VideoViews
from hf_selfdistill.pretraining.arguments import PretrainingArguments

__all__ = ["FINDINGS", "describe_short_videos", "samples_of", "streamed_failures"]

logger = logging.getLogger(__name__)

FINDINGS = "_video_findings"
"""Folder in `output_dir` that lists unreadable and short streamed videos; names with _ are not uploaded."""


def samples_of(
    videos: datasets.Dataset | datasets.IterableDataset | None, views: VideoViews, args: PretrainingArguments
) -> UnlabelledClips | StreamedUnlabelledClips | None:
    """Return the samples that an objective draws from raw videos; None without videos.

    Raises:
        ValueError: `clips_per_epoch` is missing for a stream.
    """
    if isinstance(videos, datasets.IterableDataset):
        if args.clips_per_epoch is None:
            raise ValueError("`clips_per_epoch` is missing; set it to the number of videos in an epoch of the stream")
        return StreamedUnlabelledClips(
            videos,
            args.clips_per_epoch,
            views,
            seed=args.seed,
            max_unreadable=args.max_unreadable,
            findings=VideoFindings(Path(str(args.output_dir)) / FINDINGS),
        )
    return UnlabelledClips(undecoded(videos), views, args.seed) if videos is not None and len(videos) else None


def streamed_failures(clips: StreamedUnlabelledClips) -> list[dict[str, str]]:
    """Return the streamed videos that any process failed to read, with the reason; a collective call."""
    found = _findings(clips, "unreadable")
    if found:
        assert clips.findings is not None
        logger.info("%d of the streamed videos can't be read; see %s", len(found), clips.findings.folder)
    return [{"video": video, "reason": reason} for video, reason in sorted(found.items())]


def describe_short_videos(clips: UnlabelledClips | StreamedUnlabelledClips) -> int:
    """Return the number of videos that are shorter than a sample, and log it; a collective call."""
    if isinstance(clips, UnlabelledClips):
        short, total = len(set(gather_object(clips.short_indices()))), str(len(clips))
    else:
        short, total = len(_findings(clips, "short")), "the streamed"
    if short:
        logger.info("%d of %s videos are shorter than %d frames and are repeated", short, total, clips.views.span)
    return short


def _findings(clips: StreamedUnlabelledClips, kind: str) -> dict[str, Any]:
    assert clips.findings is not None
    return dict(gather_object(list(clips.findings.read(kind).items())))
