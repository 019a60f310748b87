"""What our video encoders share: input checks, initialisation, checkpointing with batch normalisation, the head."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import (
    BaseModelOutputWithPoolingAndNoAttention,
    ImageClassifierOutputWithNoAttention,
)
from transformers.utils import can_return_tuple

from .configuration_video_encoder import VideoEncoderConfig

__all__ = ["CheckpointedLayer", "VideoEncoder", "VideoEncoderForVideoClassification", "VideoEncoderPreTrainedModel"]


@contextmanager
def _copied_buffers(module: nn.Module) -> Iterator[None]:
    """Lets `module` run on copies of its buffers, so that its own keep their values."""
    buffers = [(part, *item) for part in module.modules() for item in part.named_buffers(recurse=False)]
    for part, name, buffer in buffers:
        setattr(part, name, buffer.clone())
    try:
        yield
    finally:
        for part, name, buffer in buffers:
            setattr(part, name, buffer)


class CheckpointedLayer(GradientCheckpointingLayer):
    """A layer that can be recomputed in the backward pass without counting its clips twice.

    Under gradient checkpointing a layer runs twice per step; plain batch normalisation would then update its running
    statistics twice. Here the second run writes to copies. Works with reentrant and non-reentrant checkpointing.
    """

    _checkpoint: Callable[..., Tensor]

    # transformers assigns this attribute and calls it around `forward`; a property lets us step in between, wherever
    # the layer is used.
    @property
    def _gradient_checkpointing_func(self) -> Callable[..., Tensor]:
        return partial(_checkpoint_counting_once, self, self._checkpoint)

    @_gradient_checkpointing_func.setter
    def _gradient_checkpointing_func(self, function: Callable[..., Tensor]) -> None:
        self._checkpoint = function


def _checkpoint_counting_once(
    layer: CheckpointedLayer, checkpoint: Callable[..., Tensor], forward: Callable[[Tensor], Tensor], clips: Tensor
) -> Tensor:
    """Runs `forward` through `checkpoint`; every run after the first one leaves the buffers of `layer` alone."""
    if torch.compiler.is_compiling():  # the compiler traces the layer once, and does not repeat its side effects
        return checkpoint(forward, clips)
    runs = itertools.count()

    def run(clips: Tensor, _: Tensor) -> Tensor:
        with _copied_buffers(layer) if next(runs) else nullcontext():
            return forward(clips)

    # Reentrant checkpointing drops the gradients of a layer none of whose inputs needs one, as pixels do not.
    needs_gradient = torch.empty(0, device=clips.device, requires_grad=torch.is_grad_enabled())
    return checkpoint(run, clips, needs_gradient)


class VideoEncoderPreTrainedModel(PreTrainedModel):
    """Base of our encoders and classifiers.

    Weights start as PyTorch's defaults (Kaiming uniform, a = √5), as in the released code of VCOP and RSPNet, and not
    as transformers' normal distribution of standard deviation 0.02. The same holds for a new head.
    """

    config_class = VideoEncoderConfig
    base_model_prefix = "encoder"
    main_input_name = "pixel_values"
    input_modalities = ("video",)
    supports_gradient_checkpointing = True

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Conv3d | nn.Linear):
            module.reset_parameters()
        else:
            super()._init_weights(module)

    def get_input_embeddings(self) -> None:
        """None: pixels are not embedded (FSDP2 asks)."""
        return None


class VideoEncoder(VideoEncoderPreTrainedModel):
    """Stages of 3-D convolutions, then the mean over time and space."""

    def _stages(self) -> Iterable[nn.Module]:
        """The layers in their order, each from (B, C, t, h, w) to (B, C', t', h', w')."""
        raise NotImplementedError

    def _check_clips(self, pixel_values: Tensor) -> None:
        channels = self.config.num_channels
        if pixel_values.ndim != 5 or pixel_values.shape[2] != channels:
            raise ValueError(
                f"{type(self).__name__} got pixel_values of shape {tuple(pixel_values.shape)}, but expects"
                f" (batch, frames, channels, height, width) with {channels} channels."
            )
        min_frames, min_size = self.config.minimum_clip
        if pixel_values.shape[1] < min_frames or min(pixel_values.shape[3:]) < min_size:
            raise ValueError(
                f"{type(self).__name__} got clips of {pixel_values.shape[1]} frames of {pixel_values.shape[3]}×"
                f"{pixel_values.shape[4]} pixels, of which its pooling would leave nothing; it needs at least"
                f" {min_frames} frames of {min_size}×{min_size}."
            )

    @can_return_tuple
    def forward(
        self, pixel_values: Tensor, output_hidden_states: bool | None = None, **kwargs: Any
    ) -> BaseModelOutputWithPoolingAndNoAttention:
        """Encodes clips.

        Args:
            pixel_values: normalised clips (B, T, C, H, W).
            output_hidden_states: whether to return the output of every stage as well.
            **kwargs: ignored, as transformers' models do.

        Returns:
            `last_hidden_state` (B, hidden_sizes[-1], t, h, w) and its mean `pooler_output` (B, hidden_sizes[-1]).

        Raises:
            ValueError: the shape is another one, or so small that the pooling leaves nothing.
        """
        self._check_clips(pixel_values)
        if output_hidden_states is None:
            output_hidden_states = self.config.output_hidden_states
        hidden_state = pixel_values.transpose(1, 2)  # (B, C, T, H, W)
        hidden_states: tuple[Tensor, ...] = ()
        for stage in self._stages():
            hidden_state = stage(hidden_state)
            if output_hidden_states:
                hidden_states += (hidden_state,)
        return BaseModelOutputWithPoolingAndNoAttention(
            last_hidden_state=hidden_state,
            pooler_output=hidden_state.mean(dim=(2, 3, 4)),
            hidden_states=hidden_states if output_hidden_states else None,
        )


class VideoEncoderForVideoClassification(VideoEncoderPreTrainedModel):
    """An encoder and one linear layer, `classifier`, on its pooled features."""

    encoder_class: ClassVar[type[VideoEncoder]]

    def __init__(self, config: VideoEncoderConfig) -> None:
        super().__init__(config)
        self.encoder = self.encoder_class(config)
        self.classifier = nn.Linear(config.hidden_sizes[-1], config.num_labels)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        pixel_values: Tensor,
        labels: Tensor | None = None,
        output_hidden_states: bool | None = None,
        **kwargs: Any,
    ) -> ImageClassifierOutputWithNoAttention:
        """Classifies clips.

        Args:
            pixel_values: normalised clips (B, T, C, H, W).
            labels: class indices (B,); or floats (B, num_labels): class probabilities, or what
                `config.problem_type` says.
            output_hidden_states: whether to return the output of every stage as well.
            **kwargs: handed to the loss; `num_items_in_batch`, which the Trainer counts over all accumulated batches
                and processes, scales it for every kind of label.

        Returns:
            `loss` (when there are labels), `logits` (B, num_labels) and `hidden_states`.

        Raises:
            ValueError: clips or labels have another shape.
        """
        outputs = self.encoder(pixel_values, output_hidden_states=output_hidden_states, return_dict=True)
        logits = self.classifier(outputs.pooler_output)
        return ImageClassifierOutputWithNoAttention(
            loss=None if labels is None else self._loss(logits, labels, **kwargs),
            logits=logits,
            hidden_states=outputs.hidden_states,
        )

    def _loss(self, logits: Tensor, labels: Tensor, num_items_in_batch: Any = None, **kwargs: Any) -> Tensor:
        indices = self.config.problem_type == "single_label_classification" and not labels.is_floating_point()
        if labels.numel() != (logits.shape[0] if indices else logits.numel()):
            raise ValueError(
                f"Got labels of shape {tuple(labels.shape)} ({labels.dtype}), but {logits.shape[0]} clips and"
                f" {logits.shape[1]} classes need integers of shape ({logits.shape[0]},) or floats of shape"
                f" {tuple(logits.shape)}."
            )
        if indices:
            return self.loss_function(labels, logits, self.config, num_items_in_batch=num_items_in_batch, **kwargs)
        if self.config.problem_type == "single_label_classification":
            loss = nn.functional.cross_entropy(logits, labels)
        else:
            loss = self.loss_function(labels, logits, self.config, **kwargs)
        # transformers' losses for these labels are plain means that do not know of the other accumulated batches.
        return loss if num_items_in_batch is None else loss * (labels.numel() / num_items_in_batch)
