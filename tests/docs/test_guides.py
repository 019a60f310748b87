"""The blocks of README and guides run on tiny models, and the flags in them exist."""

from __future__ import annotations

import csv
import re
import shutil
from pathlib import Path

import pytest
from guides import PAGES, ROOT, Block, blocks, command_lines, subcommand
from shards import write_shards
from tiny_classifiers import save_checkpoint, tiny_model, tiny_processor

from hf_selfdistill import C3DConfig, C3DModel, C3DVideoProcessor
from hf_selfdistill.cli import console, finetune
from hf_selfdistill.cli.parser import CommandParser, config_flags
from hf_selfdistill.data.moving_shapes import write_moving_shapes

SHELL = [block for page in PAGES for block in blocks(page) if block.language == "sh"]
TINY = "hidden_sizes=4,8,8,8,8,num_frames=8,image_size=16"
SMALLER = {
    "finetune": "--use_cpu true --per_device_train_batch_size 4 --num_train_epochs 1 --dataloader_num_workers 0 "
    "--dataloader_persistent_workers false --disable_tqdm true --overwrite_output_dir true",
    "evaluate": "--use_cpu true --num_clips 2 --disable_tqdm true",
}
SMALLER["pretrain"] = f"{SMALLER['finetune']} --config_overrides {TINY}"
SMALLER_IN_PYTHON = {
    r"num_train_epochs=\d+": "num_train_epochs=1",
    r"dataloader_num_workers=\d+": "dataloader_num_workers=0",
    r"per_device_train_batch_size=\d+": "per_device_train_batch_size=2",
    r"clips_per_epoch=[\d_]+": "clips_per_epoch=4",
    r"\b(SelfDistillationArguments\()": r"\1use_cpu=True, overwrite_output_dir=True, output_dir=",
}


class ParsedError(BaseException):
    """Ends a command when its line is parsed."""


def refuse_unknown_flags(parser: CommandParser, argv: list[str]) -> None:
    """Check that flags exist and that choices are allowed; values in capitals are placeholders."""
    refuse_flags_of_none((parser,), argv)


def refuse_flags_that_nobody_takes(parser: CommandParser, argv: list[str]) -> None:
    """Check the flags of a command that passes other flags to trainings."""
    refuse_flags_of_none((parser, finetune.parser()), argv)


def refuse_flags_of_none(parsers: tuple[CommandParser, ...], argv: list[str]) -> None:
    known = {name: action for parser in parsers for name, action in parser._option_string_actions.items()}
    words = config_flags([word.replace("$", "") for word in argv]) + list(argv)
    for flag, value in zip(words, [*words, ""][1:], strict=True):
        if flag.startswith("--"):
            assert flag in known, f"{flag} is no flag of {parsers[0].prog}"
            choices = known[flag].choices
            assert not choices or value in map(str, choices) or value.isupper(), f"{flag} {value}"
    raise ParsedError


def test_a_flag_that_does_not_exist_is_found(monkeypatch):
    monkeypatch.setattr(CommandParser, "parse", refuse_unknown_flags)
    monkeypatch.setattr(CommandParser, "parse_known", refuse_flags_that_nobody_takes)
    with pytest.raises(SystemExit, match="--datasets is no flag"):
        console.main(["finetune", "--datasets", "ucf101"])
    with pytest.raises(SystemExit, match="--teacher_update epochs"):
        console.main(["finetune", "--teacher_update", "epochs"])


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_every_flag_in_a_guide_exists(block, monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(CommandParser, "parse", refuse_unknown_flags)
    monkeypatch.setattr(CommandParser, "parse_known", refuse_flags_that_nobody_takes)
    for line in command_lines(block.code):
        words = subcommand(line)
        if words is not None:
            with pytest.raises(ParsedError):
                console.main(words)


def test_every_target_of_make_in_a_guide_exists():
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M)
    named = {name for page in PAGES for name in re.findall(r"`make ([a-z-]+)", page.read_text())}
    assert named and named <= set(targets)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the videos, lists and encoders that the guides name."""
    folder = tmp_path_factory.mktemp("world")
    (folder / "configs").symlink_to(ROOT / "configs")
    shapes = write_moving_shapes(folder / "written", ("moving_left", "moving_up"), 6, num_frames=10, size=24)
    for name in ("videos", "VIDEOS", "LABELLED"):
        shutil.copytree(folder / "written", folder / name, ignore=shutil.ignore_patterns("*.csv"))
    clips = sorted(folder.glob("videos/*/*"))
    (folder / "some").mkdir()
    shutil.copy(clips[0], folder / "some" / "clip.mp4")
    with (folder / "list.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(
            [("video", "label", "group"), *((clip.relative_to(folder), clip.parent.name, clip.stem) for clip in clips)]
        )
    (folder / "shards").mkdir()
    write_shards(folder / "shards", shards=1, videos_per_shard=4)
    encoder = C3DModel(C3DConfig(hidden_sizes=[4, 8, 8, 8, 8], num_frames=8, image_size=16))
    save_checkpoint(encoder, C3DVideoProcessor(size={"shortest_edge": 18}, crop_size=16), folder / "ENCODER")
    save_checkpoint(tiny_model("videomae"), tiny_processor("videomae"), folder / "MCG-NJU" / "videomae-base")
    assert shapes
    return folder


def run(block: Block, names: dict[str, object]) -> None:
    if block.language == "python":
        code = block.code
        for there, here in SMALLER_IN_PYTHON.items():
            code = re.sub(there, here, code)
        exec(compile(code, str(block), "exec"), names)
        return
    for line in command_lines(block.code):
        words = subcommand(line)
        if words is not None:
            try:
                console.main([*words, *SMALLER.get(words[0], "").split()])
            except SystemExit as stopped:
                assert not stopped.code, f"{line}: {stopped.code}"


RUN = {
    page: [block for block in blocks(page) if block.language in ("sh", "python") and not block.not_run]
    for page in PAGES
}


@pytest.mark.parametrize("page", [page for page, there in RUN.items() if there], ids=lambda page: page.name)
def test_the_blocks_of_a_guide_run_in_their_order(page, world, tmp_path, monkeypatch):
    shutil.copytree(world, tmp_path / "here", symlinks=True)
    monkeypatch.chdir(tmp_path / "here")
    names: dict[str, object] = {"__name__": "guide"}
    for block in RUN[page]:
        run(block, names)


def test_the_first_guides_are_run():
    ran = {page.name for page, there in RUN.items() if there}
    assert {"README.md", "quick_start.md", "own_videos.md", "any_model.md", "pretraining.md", "distributed.md"} <= ran


def test_python_blocks_that_are_not_run_compile():
    for page in PAGES:
        for block in blocks(page):
            if block.language == "python":
                compile(block.code, str(block), "exec")
