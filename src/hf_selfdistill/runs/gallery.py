"""Gallery and queries of a data set."""

from __future__ import annotations

import datasets

from hf_selfdistill.data.origin import Origin

__all__ = ["describe_gallery", "gallery_and_queries"]


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
    return gallery, videos[part], " and ".join(names)


def describe_gallery(origin: Origin, part: str, size: int, gallery: str) -> str:
    """Describe which videos are the queries and which the gallery.

    Args:
        origin: origin of the queries.
        part: part of the queries.
        size: number of readable videos in the gallery.
        gallery: name of the gallery.
    """
    return f"{origin}, {part} against {size} videos of {gallery}"
