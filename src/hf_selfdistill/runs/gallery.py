"""Gallery and queries of a data set."""

from __future__ import annotations

from pathlib import Path

import datasets

from hf_selfdistill.data.origin import Origin, note_origin, origin_of
from hf_selfdistill.data.video_files import find_videos
from hf_selfdistill.runs.configs import ForgettingConfig

__all__ = ["describe_gallery", "gallery_and_queries", "reference_set"]


def gallery_and_queries(videos: datasets.DatasetDict, part: str) -> tuple[datasets.Dataset, datasets.Dataset, str]:
    """Return the gallery, the queries and the gallery's name.

    Args:
        videos: parts of the data set.
        part: part of the queries; all other parts but the test part are the gallery.

    Raises:
        ValueError: there are no queries.
    """
    names = [name for name in ("train", "validation") if name != part and len(videos[name])]
    if len(videos[part]) == 0:
        raise ValueError(f"the {part} part of the data set is empty")
    gallery = datasets.concatenate_datasets([videos[name] for name in names])
    note_origin(gallery, origin_of(videos[names[0]]))  # joined parts lose it
    return gallery, videos[part], " and ".join(names)


def reference_set(config: ForgettingConfig) -> tuple[list[datasets.Dataset], str]:
    """Return gallery and queries, and the name of the gallery; for videos without labels only the queries.

    Raises:
        ValueError: there are no such videos.
    """
    if config.dataset != "videos":
        gallery, queries, name = gallery_and_queries(config.load(config.max_unreadable), config.part)
        return [gallery, queries], name
    if config.dataset_root is None:
        raise ValueError("`dataset` is videos, which needs `dataset_root`, the folder of the videos")
    videos = find_videos(Path(config.dataset_root))
    note_origin(videos, Origin(config.dataset, None, config.part, Path(config.dataset_root)))
    paths = [video["path"] for video in videos.to_dict()["video"]]
    return [videos.add_column("label", [0] * len(videos)).add_column("group", paths)], ""


def describe_gallery(queries: datasets.Dataset, part: str, size: int, gallery: str) -> str:
    """Describe the videos of the queries and of the gallery.

    Args:
        queries: videos of the queries.
        part: part of the queries.
        size: number of readable videos in the gallery.
        gallery: name of the gallery.
    """
    return f"{origin_of(queries)}, {part} against {size} videos of {gallery}"
