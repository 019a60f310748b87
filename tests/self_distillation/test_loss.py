import pytest
import torch
from torch.nn import functional as F
from transformers.modeling_outputs import SequenceClassifierOutput

from hf_selfdistill.self_distillation.loss import ClassificationLoss, self_distillation_loss


def test_sum_is_the_squared_euclidean_distance_averaged_over_clips():
    student, teacher = torch.tensor([[1.0, 2.0], [0.0, 0.0]]), torch.tensor([[0.0, 0.0], [3.0, 4.0]])
    assert self_distillation_loss(student, teacher, "sum").item() == (1 + 4 + 9 + 16) / 2


def test_mean_is_the_sum_over_the_number_of_dimensions():
    student, teacher = torch.randn(5, 512), torch.randn(5, 512)
    mean, total = self_distillation_loss(student, teacher), self_distillation_loss(student, teacher, "sum")
    assert (512 * mean).item() == pytest.approx(total.item())


def test_normalized_distance_is_twice_one_minus_the_cosine():
    student, teacher = torch.randn(4, 7), torch.randn(4, 7)
    distance = self_distillation_loss(student, teacher, "sum", normalize=True)
    assert distance.item() == pytest.approx(2 - 2 * F.cosine_similarity(student, teacher).mean().item(), rel=1e-5)


def test_a_variance_divides_the_distance():
    student, teacher = torch.randn(4, 7), torch.randn(4, 7)
    scaled = self_distillation_loss(student, teacher, variance=torch.tensor(4.0))
    assert (4 * scaled).item() == pytest.approx(self_distillation_loss(student, teacher).item())


def test_gradient_reaches_the_student_and_not_the_teacher():
    student, teacher = torch.randn(2, 3, requires_grad=True), torch.randn(2, 3, requires_grad=True)
    self_distillation_loss(student, teacher, "sum").backward()
    assert teacher.grad is None
    torch.testing.assert_close(student.grad, (2 * (student - teacher) / 2).detach())


def test_half_precision_features_are_compared_in_float32():
    student, teacher = torch.full((1, 512), 300.0).bfloat16(), torch.zeros(1, 512).bfloat16()
    distance = self_distillation_loss(student, teacher, "sum")
    assert distance.dtype == torch.float32
    assert distance.item() == pytest.approx(512 * student[0, 0].item() ** 2, rel=1e-6)


def test_features_of_another_size_are_refused():
    with pytest.raises(ValueError, match=r"\(2, 4\).*\(2, 3\)"):
        self_distillation_loss(torch.zeros(2, 4), torch.zeros(2, 3))


def test_an_unknown_reduction_is_refused():
    with pytest.raises(ValueError, match=r"'total'; allowed are"):
        self_distillation_loss(torch.zeros(2, 4), torch.zeros(2, 4), "total")


def outputs(*shape):
    return SequenceClassifierOutput(logits=torch.randn(*shape, generator=torch.Generator().manual_seed(0)))


def test_classification_loss_is_the_mean_cross_entropy():
    out, labels = outputs(6, 3), torch.tensor([0, 1, 2, 0, 1, 2])
    assert ClassificationLoss()(out, labels) == F.cross_entropy(out.logits, labels)


def test_classification_loss_divides_by_the_clips_of_the_whole_step():
    out, labels = outputs(6, 3), torch.tensor([0, 1, 2, 0, 1, 2])
    assert ClassificationLoss()(out, labels, torch.tensor(24)).item() == pytest.approx(
        F.cross_entropy(out.logits, labels).item() * 6 / 24
    )


def test_labels_of_several_clips_per_video_match_their_rows():
    out, labels = outputs(6, 3), torch.tensor([[0, 0], [1, 1], [2, 2]])
    assert ClassificationLoss()(out, labels) == F.cross_entropy(out.logits, labels.flatten())


def test_unreadable_clips_count_nothing_even_if_there_are_no_others():
    out = outputs(2, 3)
    labels = torch.tensor([1, -100])
    assert ClassificationLoss()(out, labels) == F.cross_entropy(out.logits[:1], labels[:1])
    assert ClassificationLoss()(out, torch.tensor([-100, -100])) == 0.0


def test_class_weights_weigh_the_terms():
    out, labels = outputs(2, 2), torch.tensor([0, 1])
    each = F.cross_entropy(out.logits, labels, reduction="none")
    expected = (3 * each[0] + each[1]) / 2
    assert ClassificationLoss(torch.tensor([3.0, 1.0]))(out, labels).item() == pytest.approx(expected.item())
