import copy
from unittest import mock

import pytest
import torch
from torch import nn
from torch._dynamo.testing import CompileCounterWithBackend
from transformers import AutoModel, AutoModelForVideoClassification
from transformers.modeling_layers import GradientCheckpointingLayer

from hf_selfdistill import (
    C3DConfig,
    C3DForVideoClassification,
    C3DModel,
    R2Plus1DConfig,
    R2Plus1DForVideoClassification,
    R2Plus1DModel,
)

SMALL = {"num_frames": 8, "image_size": 16}
C3D = C3DConfig(hidden_sizes=[4, 8, 8, 8, 8], num_labels=3, **SMALL)
R2PLUS1D = R2Plus1DConfig(hidden_sizes=[4, 4, 8, 8, 8], depths=[1, 2, 1, 1], num_labels=3, **SMALL)
CLASSIFIERS = [(C3DForVideoClassification, C3D), (R2Plus1DForVideoClassification, R2PLUS1D)]
ENCODERS = [(C3DModel, C3D), (R2Plus1DModel, R2PLUS1D)]


def clips(batch=4, size=32):
    return torch.randn(batch, 8, 3, size, size)


def classifier(model_class, config, **overrides):
    torch.manual_seed(0)
    return model_class(copy.deepcopy(config)).train()


def assert_equal_states(one, other):
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


@pytest.mark.parametrize(("model_class", "config"), ENCODERS)
def test_the_pooled_features_are_the_mean_of_the_last_maps(model_class, config):
    outputs = model_class(config)(clips(2), output_hidden_states=True)
    assert outputs.last_hidden_state.shape[:2] == (2, 8)
    torch.testing.assert_close(outputs.pooler_output, outputs.last_hidden_state.flatten(2).mean(2))
    assert len(outputs.hidden_states) == 5
    assert outputs.hidden_states[-1] is outputs.last_hidden_state


@pytest.mark.parametrize(("model_class", "config"), CLASSIFIERS)
def test_clips_of_8_frames_of_16_pixels_give_logits(model_class, config):
    outputs = model_class(config).eval()(clips(1, size=16))
    assert outputs.logits.shape == (1, 3)
    assert outputs.loss is None
    assert set(outputs.keys()) == {"logits"}


@pytest.mark.parametrize(("model_class", "config"), CLASSIFIERS)
def test_one_clip_can_be_trained_on(model_class, config):
    model_class(config).train()(clips(1), labels=torch.tensor([1])).loss.backward()


def test_one_clip_of_which_one_value_remains_is_refused_in_training():
    with pytest.raises(ValueError, match="more than 1 value per channel when training"):
        C3DForVideoClassification(C3D).train()(clips(1, size=16))


@pytest.mark.parametrize(("model_class", "config"), CLASSIFIERS)
@pytest.mark.parametrize("shape", [(2, 3, 8, 16, 16), (2, 8, 1, 16, 16), (8, 3, 16, 16)])
def test_clips_of_another_layout_are_refused_with_both_shapes(model_class, config, shape):
    with pytest.raises(ValueError) as error:
        model_class(config)(torch.zeros(shape))
    assert str(shape) in str(error.value)
    assert "(batch, frames, channels, height, width) with 3 channels" in str(error.value)


@pytest.mark.parametrize(("model_class", "config"), CLASSIFIERS)
def test_grey_clips_work_where_the_config_says_so(model_class, config):
    grey = type(config)(**{**config.to_diff_dict(), "num_channels": 1})
    assert model_class(grey).eval()(torch.zeros(2, 8, 1, 16, 16)).logits.shape == (2, 3)


@pytest.mark.parametrize(("model_class", "config"), CLASSIFIERS)
def test_weights_start_as_pytorchs_defaults(model_class, config):
    model = model_class(config)
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv3d | nn.Linear):
            bound = module.weight[0].numel() ** -0.5
            values = torch.cat([p.detach().flatten() for p in module.parameters()])
            assert values.abs().max() <= bound, name
            assert values.numel() < 100 or values.std() > 0.5 * bound, name  # uniform: 0.577
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm3d)]
    assert norms and all((norm.weight == 1).all() and (norm.bias == 0).all() for norm in norms)


@pytest.mark.parametrize(("model_class", "config"), CLASSIFIERS)
def test_an_encoder_loads_into_a_classifier_whose_head_alone_is_new(model_class, config, tmp_path):
    encoder = model_class.encoder_class(config)
    for buffer in encoder.buffers():
        buffer += 1
    encoder.save_pretrained(tmp_path)
    model, info = model_class.from_pretrained(tmp_path, num_labels=5, output_loading_info=True)
    assert set(info["missing_keys"]) == {"classifier.weight", "classifier.bias"}
    assert not info["unexpected_keys"] and not info["mismatched_keys"]
    assert_equal_states(model.encoder.state_dict(), encoder.state_dict())
    # Not transformers' normal distribution of standard deviation 0.02 and a bias of 0.
    assert model.classifier.weight.std() > 0.1
    assert model.classifier.weight.abs().max() <= 8**-0.5
    assert (model.classifier.bias != 0).all()


@pytest.mark.parametrize(("model_class", "config"), CLASSIFIERS)
def test_a_classifier_loads_into_an_encoder(model_class, config, tmp_path):
    model = model_class(config)
    model.save_pretrained(tmp_path)
    encoder, info = model_class.encoder_class.from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"]
    assert_equal_states(encoder.state_dict(), model.encoder.state_dict())


@pytest.mark.parametrize(("model_class", "config"), CLASSIFIERS)
def test_a_checkpoint_with_17_classes_loads_with_2(model_class, config, tmp_path):
    many = type(config)(**{**config.to_diff_dict(), "id2label": {i: f"gesture {i}" for i in range(17)}})
    model = model_class(many)
    model.save_pretrained(tmp_path)
    few, info = model_class.from_pretrained(
        tmp_path,
        id2label={0: "fight", 1: "none"},
        label2id={"fight": 0, "none": 1},
        ignore_mismatched_sizes=True,
        output_loading_info=True,
    )
    assert {key[0] for key in info["mismatched_keys"]} == {"classifier.weight", "classifier.bias"}
    assert few(clips(2)).logits.shape == (2, 2)
    assert few.classifier.weight.std() > 0.1
    assert_equal_states(few.encoder.state_dict(), model.encoder.state_dict())


@pytest.mark.parametrize(("model_class", "config"), CLASSIFIERS)
def test_auto_classes_find_a_saved_model(model_class, config, tmp_path):
    model = model_class(config)
    model.save_pretrained(tmp_path)
    assert type(AutoModelForVideoClassification.from_pretrained(tmp_path)) is model_class
    assert type(AutoModel.from_pretrained(tmp_path)) is model_class.encoder_class


def models_of_every_kind(model_class, config, folder):
    made = model_class(config)
    made.save_pretrained(folder)
    loaded = AutoModelForVideoClassification.from_pretrained(folder)
    reported, _ = model_class.from_pretrained(folder, output_loading_info=True)
    return made, loaded, reported, AutoModelForVideoClassification.from_config(config), copy.deepcopy(loaded).train()


@pytest.mark.parametrize(("model_class", "config"), CLASSIFIERS)
def test_clips_are_channels_last_and_so_are_the_weights_of_c3d_however_it_is_made(model_class, config, tmp_path):
    last = torch.channels_last_3d
    for model in models_of_every_kind(model_class, config, tmp_path):
        kernels = [weight for weight in model.parameters() if weight.ndim == 5 and weight.shape[2:].numel() > 1]
        assert all(
            kernel.is_contiguous(memory_format=last) == (model_class is C3DForVideoClassification)
            for kernel in kernels
        )
        for maps in model(clips(), output_hidden_states=True).hidden_states:
            assert maps.is_contiguous(memory_format=last)


@pytest.mark.parametrize(("model_class", "config"), CLASSIFIERS)
def test_under_fsdp_weights_are_contiguous(model_class, config, tmp_path, monkeypatch):
    early = model_class(config)
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    early.state_dict()  # as Accelerate does before it shards
    for model in (early, *models_of_every_kind(model_class, config, tmp_path)):
        assert all(weight.is_contiguous() for weight in model.parameters())


@pytest.mark.parametrize(("model_class", "config"), CLASSIFIERS)
def test_channels_last_weights_give_the_same_logits_and_can_be_saved(model_class, config, tmp_path):
    model = classifier(model_class, config).eval()
    x = clips()
    expected = model(x).logits
    model.to(memory_format=torch.channels_last_3d)
    torch.testing.assert_close(model(x).logits, expected, rtol=1e-4, atol=1e-5)
    model.train()(x, labels=torch.tensor([0, 1, 2, 0])).loss.backward()
    model.save_pretrained(tmp_path)
    assert_equal_states(model_class.from_pretrained(tmp_path).state_dict(), model.state_dict())


@pytest.mark.parametrize(("model_class", "config"), CLASSIFIERS)
@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpointing_changes_neither_gradients_nor_running_statistics(model_class, config, reentrant):
    plain, checkpointed = classifier(model_class, config), classifier(model_class, config)
    checkpointed.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": reentrant})
    for _ in range(2):
        x, labels = clips(), torch.tensor([0, 1, 2, 0])
        for model in (plain, checkpointed):
            model(x, labels=labels).loss.backward()
    assert_equal_states(checkpointed.state_dict(), plain.state_dict())
    assert all((norm.num_batches_tracked == 2) for norm in plain.modules() if isinstance(norm, nn.BatchNorm3d))
    for (name, ours), theirs in zip(checkpointed.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-5, atol=1e-7, msg=name)


@pytest.mark.parametrize(("model_class", "config"), CLASSIFIERS)
def test_checkpointing_recomputes_each_layer_in_the_backward_pass(model_class, config):
    model = classifier(model_class, config)
    model.gradient_checkpointing_enable()
    runs = []
    model.encoder.get_submodule("stages.1").apply(
        lambda module: isinstance(module, nn.Conv3d) and module.register_forward_hook(lambda *_: runs.append(1))
    )
    loss = model(clips(), labels=torch.tensor([0, 1, 2, 0])).loss
    forward = len(runs)
    loss.backward()
    assert len(runs) == 2 * forward > 0


@pytest.mark.parametrize(("model_class", "config"), CLASSIFIERS)
def test_the_checkpointing_function_can_be_patched_as_any_attribute(model_class, config):
    model = classifier(model_class, config)
    model.gradient_checkpointing_enable()
    layer = next(module for module in model.modules() if isinstance(module, GradientCheckpointingLayer))
    given = layer._gradient_checkpointing_func
    with mock.patch.object(layer, "_gradient_checkpointing_func", wraps=given) as patched:
        model(clips(), labels=torch.tensor([0, 1, 2, 0])).loss.backward()
    assert patched.call_count == 1
    assert layer._gradient_checkpointing_func is given
    assert all(norm.num_batches_tracked == 1 for norm in model.modules() if isinstance(norm, nn.BatchNorm3d))
    del layer._gradient_checkpointing_func
    assert not hasattr(layer, "_gradient_checkpointing_func")


@pytest.mark.parametrize(("model_class", "config"), CLASSIFIERS)
@pytest.mark.parametrize("checkpointing", [False, True])
def test_the_model_compiles_into_one_graph_that_serves_labelled_steps(model_class, config, checkpointing):
    model = classifier(model_class, config)
    eager = copy.deepcopy(model)
    if checkpointing:
        model.gradient_checkpointing_enable()
    torch._dynamo.reset()
    graphs = CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(model, backend=graphs, fullgraph=True)
    x, labels = clips(), torch.tensor([0, 1, 2, 0])
    for _ in range(2):
        loss = compiled(x, labels=labels).loss
        loss.backward()
        expected = eager(x, labels=labels).loss
    assert graphs.frame_count == 1
    torch.testing.assert_close(loss, expected)
    assert_equal_states(model.state_dict(), eager.state_dict())


def test_the_loss_is_the_mean_over_the_clips_or_scaled_by_the_count_of_the_whole_step():
    model = classifier(*CLASSIFIERS[0])
    x, labels = clips(), torch.tensor([0, 1, 2, 0])
    expected = nn.functional.cross_entropy(model(x).logits, labels)
    torch.testing.assert_close(model(x, labels=labels).loss, expected)
    torch.testing.assert_close(model(x, labels=labels[:, None]).loss, expected)
    torch.testing.assert_close(model(x, labels=labels, num_items_in_batch=torch.tensor(16)).loss, expected / 4)


def test_class_probabilities_as_mixup_makes_them_are_labels_too():
    model = classifier(*CLASSIFIERS[0])
    x, labels = clips(), torch.rand(4, 3).softmax(1)
    expected = -(labels * model(x).logits.log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(model(x, labels=labels).loss, expected)
    # The Trainer counts elements of `labels`: 4 batches of 4 clips of 3 probabilities.
    torch.testing.assert_close(model(x, labels=labels, num_items_in_batch=torch.tensor(48)).loss, expected / 4)


def test_multi_label_losses_are_scaled_by_the_count_of_the_whole_step():
    model = classifier(*CLASSIFIERS[0])
    model.config.problem_type = "multi_label_classification"
    x, labels = clips(), torch.tensor([[1.0, 0, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0]])
    expected = nn.functional.binary_cross_entropy_with_logits(model(x).logits, labels)
    torch.testing.assert_close(model(x, labels=labels).loss, expected)
    torch.testing.assert_close(model(x, labels=labels, num_items_in_batch=torch.tensor(24)).loss, expected / 2)


@pytest.mark.parametrize(
    "labels", [torch.zeros(3, dtype=torch.long), torch.zeros(4, 3, dtype=torch.long), torch.rand(4)]
)
def test_labels_of_another_shape_are_refused(labels):
    with pytest.raises(ValueError, match=r"need integers of shape \(4,\) or floats of shape \(4, 3\)"):
        C3DForVideoClassification(C3D)(clips(), labels=labels)


@pytest.mark.parametrize(("model_class", "config"), CLASSIFIERS)
def test_fsdp_finds_no_embeddings_and_the_layers_to_wrap(model_class, config):
    model = model_class(config)
    assert model.get_input_embeddings() is None
    names = {type(module).__name__ for module in model.modules()}
    assert model._no_split_modules and set(model._no_split_modules) <= names


@pytest.mark.parametrize(("model_class", "config"), CLASSIFIERS)
def test_bf16_autocast_trains(model_class, config):
    model = classifier(model_class, config)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = model(clips(), labels=torch.tensor([0, 1, 2, 0])).loss
    loss.backward()
    assert all(p.grad.dtype == torch.float32 and p.grad.isfinite().all() for p in model.parameters())
