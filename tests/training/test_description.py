from transformers import TrainerState

from hf_selfdistill.training.arguments import ClassificationArguments
from hf_selfdistill.training.description import describe_clip_drawing, describe_hyperparameters


def test_the_optimiser_and_its_progress_are_described(tmp_path):
    args = ClassificationArguments(
        str(tmp_path), optim="sgd", optim_args="momentum=0.9", learning_rate=0.05, max_grad_norm=0, use_cpu=True
    )
    state = TrainerState(epoch=1.5, num_train_epochs=3, global_step=6, max_steps=12)
    rows = describe_hyperparameters(args, state)
    assert rows["optimiser"] == "sgd (momentum=0.9)" and rows["gradient norm clipped at"] == "not clipped"
    assert rows["epochs"] == "1.5 of 3" and rows["steps"] == "6 of 12"
    assert rows["learning rate over the run"] == "linear"


def test_the_drawing_of_clips_is_described(tmp_path):
    rows = describe_clip_drawing(ClassificationArguments(str(tmp_path), class_weights="balanced", flip_probability=0))
    assert rows["class weights"] == "balanced" and rows["mirrored with probability"] == "0"
