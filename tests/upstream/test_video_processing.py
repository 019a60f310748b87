"""Our video processor in the mixin that transformers tests its own video processors with."""

from __future__ import annotations

import importlib.util
import unittest
from typing import Any, ClassVar

import pytest

from hf_selfdistill import C3DVideoProcessor

if importlib.util.find_spec("transformers_tests") is None:
    pytest.skip("`make test-upstream` fetches the tests of transformers", allow_module_level=True)
from transformers_tests.test_video_processing_common import VideoProcessingTestMixin, prepare_video_inputs

pytestmark = pytest.mark.slow


class VideoProcessorTester:
    """Videos of random pixels, and the shape that the processor gives them."""

    batch_size, num_frames, num_channels = 5, 8, 3

    def prepare_video_inputs(self, equal_resolution: bool = False, return_tensors: str = "pil") -> list[Any]:
        return prepare_video_inputs(
            self.batch_size, self.num_frames, self.num_channels, 30, 60, equal_resolution, return_tensors
        )

    def expected_output_video_shape(self, videos: list[Any]) -> tuple[int, ...]:
        return self.num_frames, self.num_channels, 18, 18


class C3DVideoProcessingTest(VideoProcessingTestMixin, unittest.TestCase):
    fast_video_processing_class = C3DVideoProcessor
    input_name = "pixel_values"
    test_cast_dtype = True
    video_processor_dict: ClassVar[dict[str, Any]] = {
        "size": {"shortest_edge": 20},
        "crop_size": {"height": 18, "width": 18},
        "num_frames": 8,
    }

    def setUp(self):
        super().setUp()
        self.video_processor_tester = VideoProcessorTester()

    @unittest.skip("a clip has `num_frames` frames at every rate, and a shorter video is repeated without an error")
    def test_call_sample_frames(self):
        pass
