"""References of encoders and of their pre-training."""

from __future__ import annotations

__all__ = ["PRETRAINED_BY", "works_behind"]

PRETRAINED_BY = "pretrained_by"
"""Entry of a configuration with the name of the pre-training, one of `_PRETRAINING`."""

_PRETRAINING = {
    "rspnet": "Chen et al., RSPNet: Relative Speed Perception for Unsupervised Video Representation Learning, "
    "AAAI 2021",
    "vcop": "Xu et al., Self-Supervised Spatiotemporal Learning via Video Clip Order Prediction, CVPR 2019",
    "pace": "Wang et al., Self-Supervised Video Representation Learning by Pace Prediction, ECCV 2020",
    "space_time_cubes": "Kim et al., Self-Supervised Video Representation Learning with Space-Time Cubic Puzzles, "
    "AAAI 2019",
    "motion_appearance": "Wang et al., Self-Supervised Spatio-Temporal Representation Learning for Videos by "
    "Predicting Motion and Appearance Statistics, CVPR 2019",
    "torchvision": "Tran et al., A Closer Look at Spatiotemporal Convolutions for Action Recognition, CVPR 2018 "
    "(weights of torchvision, trained with labels on Kinetics-400)",
}
_ARCHITECTURES = {
    "c3d": "Tran et al., Learning Spatiotemporal Features with 3D Convolutional Networks, ICCV 2015",
    "r2plus1d": "Tran et al., A Closer Look at Spatiotemporal Convolutions for Action Recognition, CVPR 2018",
    "timesformer": "Bertasius et al., Is Space-Time Attention All You Need for Video Understanding?, arXiv 2102.05095",
    "videomae": "Tong et al., VideoMAE: Masked Autoencoders are Data-Efficient Learners for Self-Supervised Video "
    "Pre-Training, arXiv 2203.12602",
    "vivit": "Arnab et al., ViViT: A Video Vision Transformer, arXiv 2103.15691",
    "vjepa2": "Assran et al., V-JEPA 2: Self-Supervised Video Models Enable Understanding, Prediction and Planning, "
    "arXiv 2506.09985",
    "videoprism": "Zhao et al., VideoPrism: A Foundational Visual Encoder for Video Understanding, arXiv 2402.13217",
}


def works_behind(model_type: str, pretrained_by: str | None = None) -> list[str]:
    """Return the references of an architecture and of its pre-training.

    Args:
        model_type: type of the model's configuration.
        pretrained_by: name of the pre-training, the entry `PRETRAINED_BY` of the configuration.
    """
    found = (_ARCHITECTURES.get(model_type), _PRETRAINING.get(pretrained_by or ""))
    return list(dict.fromkeys(work for work in found if work))
