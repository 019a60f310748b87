import re
import shutil

import pytest
from transformers import TrainerCallback

from hf_selfdistill.cli import finetune
from hf_selfdistill.training.checkpoints import find_checkpoint
from hf_selfdistill.training.manifest import MANIFEST, check_manifest, write_manifest


@pytest.fixture
def checkpoint(tmp_path):
    (tmp_path / "optimizer_0").mkdir()
    for name in ("optimizer.pt", "scheduler.pt", "optimizer_0/shard"):
        (tmp_path / name).write_bytes(b"content of " + name.encode())
    write_manifest(tmp_path)
    return tmp_path


def test_a_whole_checkpoint_fits_its_manifest(checkpoint, caplog):
    check_manifest(checkpoint)
    assert not caplog.messages


@pytest.mark.parametrize("name", ["optimizer.pt", "optimizer_0/shard"])
def test_a_flipped_bit_is_refused_with_the_name_of_the_file(checkpoint, name):
    content = (checkpoint / name).read_bytes()
    (checkpoint / name).write_bytes(bytes([content[0] ^ 1]) + content[1:])
    with pytest.raises(ValueError, match=rf"is damaged: {name} differs.*resume from another checkpoint"):
        check_manifest(checkpoint)


def test_a_missing_file_and_a_damaged_manifest_are_refused(checkpoint):
    (checkpoint / "scheduler.pt").unlink()
    with pytest.raises(ValueError, match=r"does not fit its manifest\.json .*scheduler\.pt"):
        check_manifest(checkpoint)
    (checkpoint / MANIFEST).write_text('{"files": ')
    with pytest.raises(ValueError, match=r"does not fit its manifest\.json"):
        check_manifest(checkpoint)


def test_a_checkpoint_without_a_manifest_is_accepted_with_a_warning(fine_tuned, caplog):
    checkpoint = next(fine_tuned.glob("checkpoint-*"))
    (checkpoint / MANIFEST).unlink()
    check_manifest(checkpoint)
    assert "its files are not checked" in caplog.text


DAMAGES = [b"", b"[]", b"null", b'"text"', b"\xff\xfe\x00", b"[" * 100_000]


@pytest.mark.parametrize("manifest", [True, False])
def test_a_damaged_file_of_any_kind_is_refused_by_name_before_anything_is_loaded(fine_tuned, manifest):
    checkpoint = max(fine_tuned.glob("checkpoint-*"))
    if not manifest:
        (checkpoint / MANIFEST).unlink()
    check_manifest(checkpoint)
    for file in sorted(checkpoint.iterdir()):
        whole = file.read_bytes()
        flipped = [whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :] for place in (0, len(whole) // 2)]
        for damage in [*DAMAGES, whole[: len(whole) // 2], *(flipped if manifest else [])]:
            if not manifest and file.suffix == ".bin":  # not read by a resumed run
                continue
            file.write_bytes(damage)
            with pytest.raises(ValueError, match=re.escape(file.name)) as error:
                find_checkpoint(str(checkpoint), fine_tuned)
            assert str(checkpoint) in str(error.value) and "\n" not in str(error.value)
        file.write_bytes(whole)


@pytest.mark.parametrize("name", ["optimizer.pt", "scheduler.pt"])
@pytest.mark.parametrize("damage", ["missing", "half of it"])
@pytest.mark.parametrize("manifest", [True, False])
def test_a_run_is_not_resumed_without_a_whole_optimizer_or_scheduler(
    shapes, tiny_flags, fine_tuned, tmp_path, name, damage, manifest, monkeypatch
):
    checkpoint = shutil.copytree(next(fine_tuned.glob("checkpoint-*")), tmp_path / "checkpoint-4")
    content = (checkpoint / name).read_bytes()
    (checkpoint / name).unlink()
    if damage == "half of it":
        (checkpoint / name).write_bytes(content[: len(content) // 2])
    if not manifest:
        (checkpoint / MANIFEST).unlink()
    monkeypatch.setattr(TrainerCallback, "on_step_begin", lambda *a, **k: pytest.fail("it trained"))
    with pytest.raises(SystemExit) as stopped:
        finetune.main(tiny_flags(shapes, tmp_path / "out", resume_from_checkpoint=checkpoint))
    line = stopped.value.code
    assert line.startswith("error: ") and "\n" not in line and "resume from" in line
