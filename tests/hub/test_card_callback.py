import pytest
from transformers import TrainerState, TrainingArguments

from hf_selfdistill.hub.card_callback import CardCallback, hyperparameters, on_the_hub
from hf_selfdistill.models import C3DConfig, C3DModel


class Card(CardCallback):
    def __init__(self):
        self.written = []

    def write(self, args, state, config, **metadata):
        self.written.append(config.model_type)


@pytest.mark.parametrize(("first_process", "written"), [(True, ["c3d"]), (False, [])])
def test_the_card_is_written_before_each_upload_by_the_first_process(first_process, written):
    model = C3DModel(C3DConfig(hidden_sizes=[4, 8, 8, 8, 8], num_frames=8, image_size=16))
    card = Card()
    card.on_push_begin(None, TrainerState(is_world_process_zero=first_process), None, model)
    assert card.written == written


def test_hyperparameters_say_how_far_the_run_is_and_how_large_a_step(tmp_path):
    args = TrainingArguments(
        str(tmp_path), per_device_train_batch_size=3, gradient_accumulation_steps=2, max_grad_norm=0, use_cpu=True
    )
    rows = hyperparameters(args, TrainerState(epoch=1.5, num_train_epochs=2, global_step=6, max_steps=8))
    assert (rows["videos per step"], rows["epochs"], rows["steps"]) == ("6", "1.5 of 2", "6 of 8")
    assert (rows["gradient norm clipped at"], rows["precision"]) == ("not clipped", "float32")


def test_a_base_in_words_is_no_name_on_the_hub():
    assert on_the_hub("user/encoder") == "user/encoder"
    assert on_the_hub("encoder") is on_the_hub("C3D / random weights") is on_the_hub(None) is None
