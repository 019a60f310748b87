from __future__ import annotations

import copy

import pytest
import torch

from hf_selfdistill import C3DForVideoClassification, C3DVideoProcessor, average_models


@pytest.fixture
def three(classifier, tmp_path):
    """Folders of three classifiers with different weights, and the weights."""
    folders, states = [], []
    for number in range(3):
        model = copy.deepcopy(classifier)
        for tensor in model.state_dict().values():
            if tensor.is_floating_point():
                tensor += torch.rand_like(tensor)
        folders.append(tmp_path / f"seed{number}")
        model.save_pretrained(folders[-1])
        C3DVideoProcessor(size={"height": 16, "width": 16}).save_pretrained(folders[-1])
        states.append(model.state_dict())
    return folders, states


def test_a_soup_is_the_mean_of_its_models_and_keeps_their_processor(three, tmp_path):
    folders, states = three
    average_models(folders, tmp_path / "soup")
    soup = C3DForVideoClassification.from_pretrained(tmp_path / "soup").state_dict()
    for name, value in soup.items():
        if value.is_floating_point():
            torch.testing.assert_close(value, (states[0][name] + states[1][name] + states[2][name]) / 3, msg=name)
    assert C3DVideoProcessor.from_pretrained(tmp_path / "soup").size["height"] == 16


def test_a_single_model_and_models_of_other_classes_are_refused(three, classifier, tmp_path):
    folders, _ = three
    with pytest.raises(ValueError, match="`models` has 1 models; give at least two"):
        average_models(folders[:1], tmp_path / "soup")
    classifier.config.id2label = {0: "other", 1: "classes"}
    classifier.save_pretrained(folders[2])
    with pytest.raises(ValueError, match=r"`models` .*seed0 and .*seed2 differ in architecture or classes"):
        average_models(folders, tmp_path / "soup")
