"""The promises of a correct teacher on two processes, under DDP and FSDP2, and on a stream of shards.

Each launcher is started once; what `distributed_worker.py` did there is read by many tests. FSDP2 is slow.
"""

from __future__ import annotations

import json
from itertools import chain
from types import SimpleNamespace

import distributed_worker
import pytest
import torch
from processes import run_on_two
from shards import write_shards
from torch import nn
from torch.nn import functional as F
from torch.utils.data import IterableDataset

from hf_selfdistill import C3DForVideoClassification
from hf_selfdistill.self_distillation.trainer import SelfDistillationTrainer

BEGINS = [True, False, False] * 3  # three epochs of three steps
TERMS = ("loss", "ce_loss", "distill_loss", "feature_std", "grad_norm")


@pytest.fixture(scope="module")
def launch(tmp_path_factory):
    shards = tmp_path_factory.mktemp("shards")
    write_shards(shards, shards=4, videos_per_shard=3)
    done = {}

    def launch(launcher):
        if launcher not in done:
            done[launcher] = start(launcher, tmp_path_factory.mktemp(launcher), shards)
        return done[launcher]

    return launch


def start(launcher, out, shards):
    if launcher == "single":
        distributed_worker.main(launcher, out, shards)
    else:
        run_on_two(distributed_worker.main, launcher, out, shards)
    ranks = [json.loads(file.read_text()) for file in sorted(out.glob("rank*.json"))]
    return SimpleNamespace(out=out, ranks=ranks, weights=torch.load(out / "weights.pt"))


@pytest.fixture(scope="module")
def single(launch):
    return launch("single")


@pytest.fixture(scope="module")
def two(launch, request):
    return launch(request.param)


def on_two_processes(*promises):
    """Runs a test under DDP and under FSDP2, and counts it for these promises."""
    modes = {"ddp": "DDP-2", "fsdp2": "FSDP2-2"}
    slow = {"fsdp2": [pytest.mark.slow]}
    params = [
        pytest.param(name, marks=[*slow.get(name, []), *(pytest.mark.promise(number, mode) for number in promises)])
        for name, mode in modes.items()
    ]
    return pytest.mark.parametrize("two", params, indirect=True, scope="module")


def difference(one, other):
    assert one.keys() == other.keys()
    return max((one[name].double() - other[name].double()).abs().max().item() for name in one)


@on_two_processes()
def test_two_processes_run_in_the_mode_that_was_asked_for(two):
    modes = {"MULTI_CPU": 0, "FSDP": 34}
    for rank in two.ranks:
        assert rank["processes"] == 2
        assert rank["batch_norm"]["parameters"] == 34
        assert rank["batch_norm"]["sharded"] == modes[rank["distributed_type"]]
        assert not rank["batch_norm"]["teacher_sharded"]


@on_two_processes(1)
def test_teacher_is_rank_0s_student_at_an_epochs_first_step_on_every_rank_and_rests_within_it(two):
    for rank in two.ranks:
        for run in ("batch_norm", "without_batch_norm", "bf16", "streamed"):
            steps = rank[run]["steps"]
            assert [step["teacher_is_rank_0s_student"] for step in steps] == BEGINS
            assert [step["teacher_moved"] for step in steps] == BEGINS
            assert all(step["spread_of_teachers"] == 0 for step in steps)
            assert all(step["spread_of_students_parameters"] == 0 for step in steps)


@on_two_processes()
def test_running_statistics_are_each_processes_own_until_they_are_shared(two):
    for rank in two.ranks:
        spread = [step["spread_of_students_buffers"] for step in rank["batch_norm"]["steps"]]
        assert spread[0] == 0 and all(value > 0 for value in spread[1:])


@on_two_processes(6)
def test_distance_is_zero_at_equal_weights_also_under_bf16(two):
    for run in ("batch_norm", "bf16"):
        distances = [log["distill_loss"] for log in two.ranks[0][run]["logs"]]
        assert [distance == 0 for distance in distances] == BEGINS


@pytest.mark.slow
def test_bf16_is_autocast_under_ddp_and_fsdp2_alike(launch):
    ddp, fsdp2 = (launch(name).ranks[0]["bf16"]["logs"][:3] for name in ("ddp", "fsdp2"))
    for one, other in zip(ddp, fsdp2, strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-3)
    exact = launch("ddp").ranks[0]["batch_norm"]["logs"][0]["loss"]
    assert ddp[0]["loss"] != exact and ddp[0]["loss"] == pytest.approx(exact, rel=0.02)


@on_two_processes(3)
def test_a_run_resumed_within_an_epoch_is_the_same_run_bit_for_bit(two):
    assert difference(two.weights["batch_norm"], two.weights["resumed_within_an_epoch"]) == 0
    assert [step["teacher_moved"] for step in two.ranks[1]["resumed_within_an_epoch"]["steps"]][1:] == BEGINS[5:]


@on_two_processes(3)
def test_an_averaged_teacher_is_restored(two):
    assert difference(two.weights["ema"], two.weights["ema_resumed"]) == 0
    assert difference(two.weights["ema"], two.weights["batch_norm"]) > 0


@on_two_processes(4)
def test_accumulated_batches_give_the_same_weights(two, single):
    for run in (two, single):
        assert difference(run.weights["accumulated"], run.weights["without_batch_norm"]) < 1e-6


@on_two_processes(4, 5)
def test_two_processes_with_half_the_batch_give_one_processes_losses_and_weights(two, single):
    assert difference(two.weights["without_batch_norm"], single.weights["without_batch_norm"]) < 1e-6
    logs, expected = (run.ranks[0]["without_batch_norm"]["logs"] for run in (two, single))
    assert sum(log["distill_loss"] > 1e-3 for log in expected) == 6  # the distance weighs in
    for log, alone in zip(logs, expected, strict=True):
        assert [log[term] for term in TERMS] == pytest.approx([alone[term] for term in TERMS], rel=1e-6, abs=1e-6)


@on_two_processes(3, 5)
def test_a_distance_scaled_by_the_variance_is_the_same_on_two_processes_and_resumes(two, single):
    assert difference(two.weights["by_variance"], single.weights["by_variance"]) < 1e-6
    assert difference(two.weights["by_variance_saved"], two.weights["by_variance_resumed"]) == 0
    assert difference(single.weights["by_variance"], single.weights["accumulated"]) > 1e-4


@on_two_processes()
def test_with_batch_norm_each_process_normalises_with_its_own_clips(two, single):
    first, alone = (run.ranks[0]["batch_norm"]["logs"][0]["ce_loss"] for run in (two, single))
    assert abs(first - alone) > 1e-4
    assert difference(two.weights["batch_norm"], single.weights["batch_norm"]) > 1e-3


@on_two_processes(2)
def test_without_weight_the_run_is_the_plain_trainers_bit_for_bit(two):
    weights = two.weights["without_weight"]
    assert difference(weights, two.weights["plain_trainer"]) == 0
    assert not any(name.startswith("teacher.") for name in weights)


@on_two_processes(6)
def test_teacher_is_in_no_optimizer_and_in_no_saved_model(two):
    for rank in two.ranks:
        assert rank["batch_norm"]["optimized"] == rank["batch_norm"]["parameters"]
    saved = {file.name for file in (two.out / "saved").iterdir()}
    assert "model.safetensors" in saved and "teacher.safetensors" not in saved
    model = C3DForVideoClassification.from_pretrained(two.out / "saved")
    assert difference(model.state_dict(), two.weights["saved"]) == 0


@on_two_processes()
def test_every_process_evaluates_the_model_that_is_saved(two, random_clips):
    model = C3DForVideoClassification.from_pretrained(two.out / "saved").eval()
    clips = random_clips(8)
    with torch.no_grad():
        loss = F.cross_entropy(model(clips.clips).logits, clips.labels).item()
    for rank in two.ranks:
        assert rank["saved"]["eval_loss"] == pytest.approx(loss, rel=1e-5)


@on_two_processes()
def test_a_stream_gives_each_process_its_own_videos_and_every_epoch_all_of_them(two):
    seen = [rank["streamed"]["seen"] for rank in two.ranks]
    for epoch in range(3):
        videos = [list(chain(*batches[3 * epoch : 3 * epoch + 3])) for batches in seen]
        assert [len(part) for part in videos] == [6, 6]
        assert sorted(chain(*videos)) == list(range(12))


@on_two_processes(3)
def test_a_stream_has_epochs_and_resumes_within_one_bit_for_bit(two, single):
    for run in (two, single):
        assert [step["teacher_moved"] for step in run.ranks[0]["streamed"]["steps"]] == BEGINS
        assert difference(run.weights["streamed"], run.weights["streamed_resumed"]) == 0
        for rank in run.ranks:
            assert rank["streamed_resumed"]["seen"] == rank["streamed"]["seen"][4:]


class Endless(IterableDataset):
    def __iter__(self):
        while True:
            yield {"pixel_values": torch.randn(8, 3, 16, 16), "labels": 0}


def test_epochs_of_a_data_set_without_a_length_are_refused_with_the_cure(tiny_classifier, arguments):
    with pytest.raises(ValueError, match=r"Endless has no length.*give it a length.*`teacher_update` to 'steps'"):
        SelfDistillationTrainer(tiny_classifier(), arguments(max_steps=4), train_dataset=Endless())
    by_steps = arguments(max_steps=4, teacher_update="steps", teacher_update_steps=2)
    trainer = SelfDistillationTrainer(tiny_classifier(), by_steps, train_dataset=Endless())
    trainer.train()
    distances = [log["distill_loss"] for log in trainer.state.log_history if "distill_loss" in log]
    assert [distance == 0 for distance in distances] == [True, False, True, False]


def batch_norms(model):
    return [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]


@pytest.mark.parametrize("norm", ["batch", "running"])
def test_synchronised_batch_norm_is_in_student_and_teacher_but_not_saved(make_trainer, weights, tmp_path, norm):
    trainer = make_trainer(sync_batch_norm=True, teacher_norm=norm)
    plain = make_trainer(teacher_norm=norm)
    for model in (trainer.model, trainer.teacher.encoder):
        assert len(batch_norms(model)) == 8
        assert all(type(module) is nn.SyncBatchNorm for module in batch_norms(model))
    assert all(module.training == (norm == "batch") for module in batch_norms(trainer.teacher.encoder))
    # On one process it is BatchNorm: the same run, and the teacher's own statistics stay out of it.
    trainer.train(), plain.train()
    assert difference(weights(trainer.model), weights(plain.model)) == 0
    assert difference(weights(trainer.teacher.encoder), weights(plain.teacher.encoder)) == 0
    trainer.save_model(str(tmp_path / "saved"))
    loaded = C3DForVideoClassification.from_pretrained(tmp_path / "saved")
    assert all(type(module) is nn.BatchNorm3d for module in batch_norms(loaded))
    assert difference(weights(loaded), weights(trainer.model)) == 0


def test_synchronised_batch_norm_without_gpus_is_refused_on_several_processes(make_trainer, monkeypatch):
    from hf_selfdistill.self_distillation.arguments import SelfDistillationArguments

    monkeypatch.setattr(SelfDistillationArguments, "world_size", property(lambda self: 2))
    with pytest.raises(ValueError, match="`sync_batch_norm` is set for 2 processes without GPUs"):
        make_trainer(sync_batch_norm=True)


def test_processes_that_would_each_train_alone_are_refused(tiny_classifier, arguments, monkeypatch):
    args = arguments()
    assert args.world_size == 1
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    with pytest.raises(ValueError, match=r"2 processes were started.*set `use_cpu`"):
        SelfDistillationTrainer(tiny_classifier(), args)
