from __future__ import annotations

import logging
import tempfile

import pytest
import torch

from hf_selfdistill.cli.errors import FlagFormatter, user_errors, with_dashes


def test_a_batch_of_one_clip_is_named_where_batchnorm_cannot_take_it():
    with pytest.raises(SystemExit, match=r"error: a batch of one clip leaves BatchNorm .* raise --per_device_train"):
        with user_errors({"per_device_train_batch_size", "dataloader_drop_last"}):
            torch.nn.BatchNorm3d(2)(torch.zeros(1, 2, 1, 1, 1))


def test_an_interruption_is_one_word(capsys):
    with pytest.raises(SystemExit) as stopped, user_errors():
        raise KeyboardInterrupt
    assert stopped.value.code == 130 and capsys.readouterr().err == "interrupted\n"


def test_an_error_is_one_line_and_the_traceback_of_an_unknown_one_is_in_a_log_file(tmp_path, monkeypatch):
    with pytest.raises(SystemExit) as stopped, user_errors():
        raise ValueError("the file\nis bad")
    assert stopped.value.code == "error: the file is bad"
    with pytest.raises(SystemExit, match=r"^error: install bitsandbytes"), user_errors():
        raise ImportError("install bitsandbytes")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(SystemExit) as stopped, user_errors():
        raise RuntimeError("ours\nof two lines")
    (log,) = tmp_path.glob("*.log")
    assert stopped.value.code == f"error: RuntimeError: ours of two lines; the traceback is in {log}"
    assert "Traceback" in log.read_text() and 'raise RuntimeError("ours' in log.read_text()


@pytest.mark.parametrize("values", [1, 100_000])
def test_a_full_disk_is_one_line(values):
    with pytest.raises(SystemExit, match=r"error: a file could not be written .* check that the disk is not full$"):
        with user_errors():
            torch.save(torch.zeros(values), "/dev/full")


class Broken(torch.utils.data.Dataset):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        raise ValueError(f"video {index}: it is empty")


def test_a_workers_error_is_the_line_it_is_without_one():
    for workers in (0, 1):
        with pytest.raises(SystemExit) as stopped, user_errors():
            next(iter(torch.utils.data.DataLoader(Broken(), num_workers=workers)))
        assert stopped.value.code == "error: video 0: it is empty"


def test_parameters_become_flags_of_the_command_and_nothing_else():
    flags = {"dataset_root", "seed"}
    assert with_dashes("`seed` is 3, `root` is x, `pixel_values` has no `classifier`", flags) == (
        "--seed is 3, --dataset_root is x, `pixel_values` has no `classifier`"
    )


def test_log_lines_of_the_package_show_flags_and_those_of_other_packages_stay():
    formatter = FlagFormatter({"max_grad_norm"})
    lines = [
        formatter.format(logging.makeLogRecord({"name": name, "msg": "set `max_grad_norm` to %g", "args": (1.0,)}))
        for name in ("hf_selfdistill.training.trainer", "transformers.trainer")
    ]
    assert lines == ["set --max_grad_norm to 1", "set `max_grad_norm` to 1"]


@pytest.mark.parametrize(
    ("message", "cure"),
    [
        ("CUDA out of memory. Tried to allocate 2 GiB", "--auto_find_batch_size"),
        ("DataLoader worker (pid(s) 7) exited unexpectedly", "--dataloader_num_workers"),
        ("DataLoader worker (pid 7) is killed by signal: Killed. ", "--dataloader_num_workers"),
        ("[enforce fail at inline_container.cc:668] . unexpected pos 64 vs 0", "the disk is not full"),
        (
            "max_pool3d_with_indices_backward_cuda does not have a deterministic implementation, but. You can",
            "omit",
        ),
        ("PytorchStreamWriter failed writing file data/0: file write failed", "the disk is not full"),
    ],
)
def test_memory_workers_and_disks_that_fail_are_one_line_with_the_cure(message, cure):
    with pytest.raises(SystemExit) as stopped, user_errors({"auto_find_batch_size", "dataloader_num_workers"}):
        raise RuntimeError(message)
    assert cure in stopped.value.code and "\n" not in stopped.value.code


def test_control_characters_in_names_never_reach_the_terminal():
    with pytest.raises(SystemExit) as stopped, user_errors():
        raise ValueError("\x1b[31mbad\x07.mp4 is not\na video")
    assert stopped.value.code == "error: [31mbad .mp4 is not a video"
    record = logging.LogRecord("hf_selfdistill", logging.INFO, "", 0, "class %s\nand more", ("a\x1b[2J",), None)
    assert FlagFormatter(()).format(record) == "class a [2J\nand more"
