"""Class names of a classifier and of a data set."""

from __future__ import annotations

from collections.abc import Sequence

from transformers import PreTrainedModel

__all__ = ["use_labels"]


def use_labels(model: PreTrainedModel, labels: Sequence[str]) -> None:
    """Set the class names of a classifier, or check them if the classifier has names.

    Args:
        model: a video classifier. Names that transformers generated (`LABEL_0`) are replaced.
        labels: names of the classes in the data set, in the order of their indices.

    Raises:
        ValueError: the model has other classes.
    """
    config = model.config
    known = [config.id2label[index] for index in range(config.num_labels)]
    if known == [f"LABEL_{index}" for index in range(len(labels))]:
        config.id2label = dict(enumerate(labels))
        config.label2id = {label: index for index, label in enumerate(labels)}
    elif known != list(labels):
        raise ValueError(
            f"the model has the classes {', '.join(known[:5])} … ({len(known)}), the data set has "
            f"{', '.join(labels[:5])} … ({len(labels)}); use the data set that the model was fine-tuned on, or give "
            "the trainer the model's name, so that it gets a new head"
        )
