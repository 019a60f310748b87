import weakref

import torch

from hf_selfdistill import C3DConfig, C3DForVideoClassification
from hf_selfdistill.training.arguments import VideoTrainingArguments
from hf_selfdistill.training.loop import TrainingLoop


def test_at_the_end_nothing_keeps_what_the_model_was_wrapped_in(tmp_path):
    config = C3DConfig(hidden_sizes=[4, 8, 8, 8, 8], num_frames=8, image_size=16, num_labels=2)
    args = VideoTrainingArguments(str(tmp_path), use_cpu=True, report_to="none")
    trainer = TrainingLoop(C3DForVideoClassification(config), args)
    wrapper = torch.nn.Sequential(trainer.model)
    wrapper.knows_itself = [wrapper]
    trainer.model_wrapped = wrapper
    gone = weakref.ref(wrapper)
    del wrapper
    trainer.end()
    assert gone() is None and trainer.model is not None
