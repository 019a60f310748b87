"""Our models and configs in the mixins that transformers tests its own models with."""

from __future__ import annotations

import copy
import importlib.util
import unittest
from typing import ClassVar
from unittest.mock import patch

import pytest
import torch
from transformers.models.auto.modeling_auto import MODEL_FOR_VIDEO_CLASSIFICATION_MAPPING_NAMES, MODEL_MAPPING_NAMES

from hf_selfdistill import C3DForVideoClassification, C3DModel, R2Plus1DForVideoClassification, R2Plus1DModel
from hf_selfdistill.models.configuration_video_encoder import VideoEncoderConfig

if importlib.util.find_spec("transformers_tests") is None:
    pytest.skip("`make test-upstream` fetches the tests of transformers", allow_module_level=True)
from transformers_tests.test_configuration_common import ConfigTester
from transformers_tests.test_modeling_common import ModelTesterMixin

pytestmark = pytest.mark.slow


class VideoEncoderTester:
    """A tiny encoder of three stages, under the names that the mixin reads."""

    batch_size = 3
    is_training = True
    num_hidden_layers = 2  # the mixin expects one map more, and our encoders return one per stage
    seq_length = hidden_size = 8  # height and width of the first map

    def __init__(self, config: VideoEncoderConfig) -> None:
        self.config = config

    def get_config(self) -> VideoEncoderConfig:
        return copy.deepcopy(self.config)

    def prepare_config_and_inputs_for_common(self) -> tuple[VideoEncoderConfig, dict[str, torch.Tensor]]:
        return self.get_config(), {"pixel_values": torch.randn(self.batch_size, 8, 3, 16, 16)}


class VideoEncoderTests(ModelTesterMixin):
    """Tests of an encoder and its classifier. Batch normalisation alone switches nothing off."""

    has_attentions = False  # convolutions only
    test_resize_embeddings = False  # pixels have no embedding layer
    test_can_init_all_missing_weights_before_2023 = True  # not skipped because our files have no year

    def setUp(self):
        encoder, classifier = self.all_model_classes
        arguments = {"hidden_sizes": [4, 8, 8], "depths": self.depths, "num_frames": 8, "image_size": 16}
        self.model_tester = VideoEncoderTester(encoder.config_class(**arguments, num_labels=3))
        # The mixin has lists of the names of transformers' models: encoders have no loss, classifiers have labels.
        self.enterContext(patch.dict(MODEL_MAPPING_NAMES, ours=encoder.__name__))
        self.enterContext(patch.dict(MODEL_FOR_VIDEO_CLASSIFICATION_MAPPING_NAMES, ours=classifier.__name__))

    def test_config(self):
        config_class, names = self.all_model_classes[0].config_class, ["hidden_sizes", "num_channels", "image_size"]
        ConfigTester(self, config_class, False, names, hidden_sizes=[4, 8, 8], depths=self.depths).run_common_tests()

    @unittest.skip("pixels have no embedding layer: `get_input_embeddings` returns None")
    def test_model_get_set_embeddings(self):
        pass


class C3DModelTest(VideoEncoderTests, unittest.TestCase):
    all_model_classes = (C3DModel, C3DForVideoClassification)
    depths: ClassVar[list[int]] = [1, 1, 2]

    @unittest.skip("C3D's weights are channels-last, which is faster; under FSDP they are contiguous")
    def test_load_contiguous_weights(self):
        pass


class R2Plus1DModelTest(VideoEncoderTests, unittest.TestCase):
    all_model_classes = (R2Plus1DModel, R2Plus1DForVideoClassification)
    depths: ClassVar[list[int]] = [1, 2]
