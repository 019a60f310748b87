"""Base of our video encoders: input checks, initialisation, checkpointing with batch normalisation, and the head."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from functools import wraps
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
from .convolutions import is_exporting

__all__ = ["CheckpointedLayer", "VideoEncoder", "VideoEncoderForVideoClassification", "VideoEncoderPreTrainedModel"]


@contextmanager
def _copied_buffers(module: nn.Module) -> Iterator[None]:
    """Replace the buffers of `module` by copies within the context, so that the original buffers keep their values."""
    buffers = [(part, *item) for part in module.modules() for item in part.named_buffers(recurse=False)]
    for part, name, buffer in buffers:
        setattr(part, name, buffer.clone())
    try:
        yield
    finally:
        for part, name, buffer in buffers:
            setattr(part, name, buffer)


class CheckpointedLayer(GradientCheckpointingLayer):
    """Layer whose batch statistics count each clip once, also if the backward pass recomputes the layer.

    Under gradient checkpointing a layer runs twice per step, and plain batch normalisation would update the running
    statistics twice. Here the second run writes to copies. Both reentrant and non-reentrant checkpointing work.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        forward = cls.forward

        @wraps(forward)
        def count_once(self: CheckpointedLayer, clips: Tensor, needs_gradient: Tensor | None = None) -> Tensor:
            # The compiler traces the layer once, and does not repeat its side effects.
            recomputed = not torch.compiler.is_compiling() and torch._C._current_graph_task_id() != -1
            with _copied_buffers(self) if recomputed else nullcontext():
                return forward(self, clips)

        cls.forward = count_once
        super().__init_subclass__(**kwargs)  # where transformers wraps checkpointing around `forward`

    def __call__(self, clips: Tensor) -> Tensor:
        """Run the layer; reentrant checkpointing drops gradients if no input needs one, as pixels do not."""
        if not (self.gradient_checkpointing and self.training) or torch.compiler.is_compiling():
            return super().__call__(clips)
        return super().__call__(clips, torch.empty(0, device=clips.device, requires_grad=torch.is_grad_enabled()))


class VideoEncoderPreTrainedModel(PreTrainedModel):
    """Base of our encoders and classifiers.

    Weights, including those of a new head, have PyTorch's default initialisation (Kaiming uniform, a = √5), as in the
    released code of VCOP and RSPNet, and not transformers' normal distribution of standard deviation 0.02.

    Clips are channels-last on CPUs; with `channels_last_weights`, so are the weights, and the clips on every device.
    docs/performance.md has the measurements. Under FSDP the weights stay contiguous, because FSDP2 shards no others.
    """

    config_class = VideoEncoderConfig
    base_model_prefix = "encoder"
    main_input_name = "pixel_values"
    input_modalities = ("video",)
    supports_gradient_checkpointing = True
    channels_last_weights: ClassVar[bool] = False

    def post_init(self) -> None:
        """Initialise the weights and choose their memory format."""
        super().post_init()
        self._choose_memory_format()

    @classmethod
    def from_pretrained(cls, *args: Any, **kwargs: Any) -> Any:
        """Load as transformers does, and choose the memory format of the weights."""
        loaded = super().from_pretrained(*args, **kwargs)
        (loaded[0] if isinstance(loaded, tuple) else loaded)._choose_memory_format()
        return loaded

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Return the state; Accelerate reads it before FSDP shards the weights, which are contiguous from then on."""
        if _under_fsdp():
            self._choose_memory_format()
        return super().state_dict(*args, **kwargs)

    def _choose_memory_format(self) -> None:
        form = torch.contiguous_format if _under_fsdp() else torch.channels_last_3d
        for weight in self.parameters() if self.channels_last_weights else ():
            if weight.ndim == 5 and not weight.is_contiguous(memory_format=form):
                weight.data = weight.data.contiguous(memory_format=form)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Conv3d | nn.Linear):
            module.reset_parameters()
        else:
            super()._init_weights(module)

    def get_input_embeddings(self) -> None:
        """Return None for FSDP2: pixels have no embedding layer."""
        return None


def _under_fsdp() -> bool:
    return os.environ.get("ACCELERATE_USE_FSDP", "").lower() in ("1", "true")


class VideoEncoder(VideoEncoderPreTrainedModel):
    """Stages of 3-D convolutions, followed by the mean over time and space."""

    def _stages(self) -> Iterable[nn.Module]:
        """Return the layers in order, each from (B, C, t, h, w) to (B, C', t', h', w')."""
        raise NotImplementedError

    def _check_clips(self, pixel_values: Tensor) -> None:
        channels = self.config.num_channels
        if pixel_values.ndim != 5 or pixel_values.shape[2] != channels:
            raise ValueError(
                f"{type(self).__name__}: the shape of `pixel_values` is {tuple(pixel_values.shape)}; it must be"
                f" (batch, frames, channels, height, width) with {channels} channels"
            )
        min_frames, min_size = self.config.minimum_clip
        if pixel_values.shape[1] < min_frames or min(pixel_values.shape[3:]) < min_size:
            raise ValueError(
                f"{type(self).__name__}: `pixel_values` has {pixel_values.shape[1]} frames of {pixel_values.shape[3]}×"
                f"{pixel_values.shape[4]} pixels, too few for the pooling; give at least {min_frames} frames of"
                f" {min_size}×{min_size} pixels"
            )

    @can_return_tuple
    def forward(
        self, pixel_values: Tensor, output_hidden_states: bool | None = None, **kwargs: Any
    ) -> BaseModelOutputWithPoolingAndNoAttention:
        """Encode clips.

        Args:
            pixel_values: normalised clips (B, T, C, H, W).
            output_hidden_states: return the output of every stage too; None takes the value of the configuration.
            **kwargs: ignored, as in transformers' models.

        Returns:
            `last_hidden_state` (B, hidden_sizes[-1], t, h, w), its mean `pooler_output` (B, hidden_sizes[-1]), and
            `hidden_states` if they are wanted.

        Raises:
            ValueError: `pixel_values` has another shape, or is too small for the pooling.
        """
        self._check_clips(pixel_values)
        if output_hidden_states is None:
            output_hidden_states = self.config.output_hidden_states
        hidden_state = pixel_values.transpose(1, 2)  # (B, C, T, H, W)
        if (hidden_state.is_cpu or self.channels_last_weights) and not is_exporting():
            hidden_state = hidden_state.contiguous(memory_format=torch.channels_last_3d)
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
    """Encoder with one linear layer, `classifier`, on the pooled features."""

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
        """Classify clips.

        Args:
            pixel_values: normalised clips (B, T, C, H, W).
            labels: class indices (B,), or floats (B, num_labels): class probabilities, or the labels of
                `config.problem_type`.
            output_hidden_states: return the output of every stage too; None takes the value of the configuration.
            **kwargs: arguments of the loss. `num_items_in_batch`, which the Trainer counts over all accumulated
                batches and processes, scales the loss for every kind of label.

        Returns:
            `loss` (if there are labels), `logits` (B, num_labels) and `hidden_states`.

        Raises:
            ValueError: `pixel_values` or `labels` has another shape.
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
                f"the shape of `labels` is {tuple(labels.shape)} ({labels.dtype}), but {logits.shape[0]} clips and"
                f" {logits.shape[1]} classes need integers of shape ({logits.shape[0]},) or floats of shape"
                f" {tuple(logits.shape)}"
            )
        if indices:
            return self.loss_function(labels, logits, self.config, num_items_in_batch=num_items_in_batch, **kwargs)
        if self.config.problem_type == "single_label_classification":
            loss = nn.functional.cross_entropy(logits, labels)
        else:
            loss = self.loss_function(labels, logits, self.config, **kwargs)
        # transformers' losses for these labels are plain means, which ignore the other accumulated batches.
        return loss if num_items_in_batch is None else loss * (labels.numel() / num_items_in_batch)
