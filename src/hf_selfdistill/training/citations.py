"""The works that an encoder comes from, as far as its configuration says."""

from __future__ import annotations

from transformers import PreTrainedConfig

__all__ = ["PRETRAINED_BY", "works_behind"]

PRETRAINED_BY = "pretrained_by"
"""The entry of a configuration that names who pre-trained its weights, one of `_PRETRAINING`."""

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


def works_behind(config: PreTrainedConfig) -> list[str]:
    """References of the architecture and, where the configuration names it, of the pre-training."""
    entries = config.to_dict()
    found = (_ARCHITECTURES.get(config.model_type), _PRETRAINING.get(entries.get(PRETRAINED_BY, "")))
    return list(dict.fromkeys(work for work in found if work))
