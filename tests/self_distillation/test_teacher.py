import pytest
import torch

from hf_selfdistill.self_distillation.teacher import Teacher


@pytest.fixture
def clips():
    return torch.randn(4, 8, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def features_in_training(model, clips):
    return model.train().base_model(clips).pooler_output


@pytest.mark.promise(6, "single")
def test_batch_norm_teacher_agrees_exactly_with_the_student_in_training(tiny_classifier, clips):
    model = tiny_classifier()
    teacher = Teacher(model)
    assert torch.equal(teacher(pixel_values=clips), features_in_training(model, clips))


def test_running_norm_teacher_agrees_with_the_student_in_evaluation_up_to_rounding(tiny_classifier, clips):
    """Folded weights are rounded once more: 1e-5 of the norm."""
    model = tiny_classifier()
    features_in_training(model, clips)  # so that its running statistics are not those of a new layer
    teacher = Teacher(model, "running")
    expected = model.eval().base_model(clips).pooler_output
    assert torch.equal(teacher.encoder(clips).logits, expected)
    assert (teacher(pixel_values=clips) - expected).norm() < 1e-5 * expected.norm()
    assert (teacher(pixel_values=clips) - features_in_training(model, clips)).norm() > 1e-2 * expected.norm()


@pytest.mark.parametrize("change", ["copy", "average", "load"])
def test_folded_weights_follow_every_change_of_the_teacher(tiny_classifier, clips, tmp_path, change):
    model = tiny_classifier()
    teacher, other = Teacher(model, "running"), Teacher(model, "running")
    features_in_training(model, clips)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.1)
    if change == "copy":
        teacher.copy_from(model)
    elif change == "average":
        teacher.average_with(model, 0.5)
    else:
        other.copy_from(model)
        other.save(tmp_path)
        teacher.load(tmp_path)
        assert torch.equal(teacher(pixel_values=clips), other(pixel_values=clips))
    expected = teacher.encoder(clips).logits
    assert (teacher(pixel_values=clips) - expected).norm() < 1e-5 * expected.norm()


@pytest.mark.parametrize("norm", ["batch", "running"])
def test_looking_at_clips_changes_nothing_in_the_teacher(tiny_classifier, clips, weights, norm):
    teacher = Teacher(tiny_classifier(), norm)
    before = weights(teacher.encoder)
    teacher(pixel_values=clips)
    assert all(torch.equal(value, before[name]) for name, value in teacher.encoder.state_dict().items())


def test_teacher_gives_no_gradient_and_shares_no_memory_with_the_student(tiny_classifier, clips):
    model = tiny_classifier()
    teacher = Teacher(model)
    assert not teacher(pixel_values=clips).requires_grad
    assert not any(parameter.requires_grad for parameter in teacher.encoder.parameters())
    mine = {p.data_ptr() for p in model.parameters()}
    assert not mine & {p.data_ptr() for p in teacher.encoder.parameters()}


def test_copying_takes_over_parameters_and_buffers(tiny_classifier, clips):
    model = tiny_classifier()
    teacher = Teacher(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1)
    features_in_training(model, clips)
    teacher.copy_from(model)
    student = model.state_dict()
    assert all(torch.equal(value, student[name]) for name, value in teacher.encoder.state_dict().items())


def test_averaging_follows_its_formula_and_copies_buffers(tiny_classifier, clips, weights):
    model = tiny_classifier()
    teacher = Teacher(model)
    before = weights(teacher.encoder)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)
    features_in_training(model, clips)
    teacher.average_with(model, 0.9)
    student = model.state_dict()
    for name, value in teacher.encoder.named_parameters():
        torch.testing.assert_close(value, 0.9 * before[name] + 0.1 * student[name])
    for name, value in teacher.encoder.named_buffers():
        assert torch.equal(value, student[name])


def test_weights_in_half_precision_are_averaged_in_float32_and_saved_so(tiny_classifier, weights, tmp_path):
    student, name = tiny_classifier().bfloat16(), "encoder.stages.1.layers.0.conv.weight"
    teacher, resumed = Teacher(student), Teacher(student)
    first = student.get_parameter(name).detach().float()
    with torch.no_grad():
        student.get_parameter(name).add_(0.5)
    for _ in range(100):
        teacher.average_with(student, 0.999)
    teacher.save(tmp_path)
    resumed.load(tmp_path)
    for _ in range(100):
        teacher.average_with(student, 0.999)
        resumed.average_with(student, 0.999)
    moved = teacher.encoder.get_parameter(name).float() - first
    assert moved.mean().item() == pytest.approx(0.5 * (1 - 0.999**200), abs=2e-3)
    for key, value in weights(teacher.encoder).items():
        assert torch.equal(value, weights(resumed.encoder)[key]), key
    teacher.copy_from(student)
    teacher.average_with(student, 0.5)
    assert torch.equal(teacher.encoder.get_parameter(name), student.get_parameter(name))


def test_saved_and_loaded_it_is_the_same_in_channels_last_too(tiny_classifier, tmp_path):
    model = tiny_classifier().to(memory_format=torch.channels_last_3d)
    teacher = Teacher(model)
    teacher.save(tmp_path)
    other = Teacher(model)
    with torch.no_grad():
        for parameter in other.encoder.parameters():
            parameter.zero_()
    other.load(tmp_path)
    expected = teacher.encoder.state_dict()
    for name, value in other.encoder.state_dict().items():
        assert torch.equal(value, expected[name])
        assert value.stride() == expected[name].stride()
