from types import SimpleNamespace

import pytest

from hf_selfdistill.evaluation.relearning import Relearning


def after_epochs(relearning, accuracies, steps_per_epoch=9):
    """As the Trainer calls it, until the callback ends the training."""
    control = SimpleNamespace(should_training_stop=False)
    for epoch, accuracy in enumerate(accuracies, start=1):
        state = SimpleNamespace(global_step=epoch * steps_per_epoch)
        relearning.on_evaluate(None, state, control, metrics={"eval_video_top1": accuracy})
        if control.should_training_stop:
            break
    return relearning


@pytest.mark.parametrize(("target", "epochs"), [(0.2, 1), (0.5, 2), (0.6, 4)])
def test_the_first_epoch_that_reaches_the_target_ends_the_training(target, epochs):
    relearning = after_epochs(Relearning(target), [0.3, 0.5, 0.4, 0.7, 0.9])
    assert (relearning.epochs, relearning.steps) == (epochs, 9 * epochs)
    assert len(relearning.video_top1) == epochs


def test_a_target_that_is_not_reached_has_no_epoch():
    relearning = after_epochs(Relearning(0.95), [0.3, 0.9])
    assert (relearning.epochs, relearning.steps, relearning.video_top1) == (None, None, [0.3, 0.9])
