from __future__ import annotations

import errno
import gzip
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch
from videos import numbered_frames, write_video

from hf_selfdistill.data.decoding import VideoReader
from hf_selfdistill.pretraining import flow_cache
from hf_selfdistill.pretraining.flow_cache import SEGMENT, FlowCache
from hf_selfdistill.pretraining.optical_flow import FLOW_SIZE, dense_flow

COUNT = SEGMENT + 6  # frames: one whole segment of flow, and one of five


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("videos") / "v.mp4"
    return write_video(path, numbered_frames(COUNT, 32, 32))


@pytest.fixture
def video(original, tmp_path) -> str:
    path = tmp_path / "v.mp4"
    path.write_bytes(original.read_bytes())
    os.utime(path, (1, 1))
    return str(path)


@pytest.fixture
def cache(tmp_path) -> FlowCache:
    return FlowCache(tmp_path / "flow", "dis")


def read(cache: FlowCache, video: str, positions) -> torch.Tensor:
    with VideoReader(video) as reader:
        return cache.read(reader, video, positions)


def computed(video: str, positions) -> torch.Tensor:
    with VideoReader(video) as reader:
        frames = reader.read(range(COUNT))
    return dense_flow(frames[positions], frames[[position + 1 for position in positions]])


def files(cache: FlowCache) -> list[Path]:
    return sorted(cache.folder.glob("*/*"))


@pytest.fixture
def calls(monkeypatch) -> Iterator[list[int]]:
    """Numbers of flow frames that were computed."""
    numbers: list[int] = []

    def counting(frames, following, method):
        numbers.append(len(frames))
        return dense_flow(frames, following, method)

    monkeypatch.setattr(flow_cache, "dense_flow", counting)
    yield numbers


def test_what_is_kept_equals_what_is_computed(cache, video, calls):
    positions = [SEGMENT - 2, SEGMENT - 1, SEGMENT, SEGMENT + 4, 0, SEGMENT]
    miss, hit = read(cache, video, positions), read(cache, video, positions)
    assert torch.equal(miss, computed(video, positions))
    assert torch.equal(hit, miss)
    assert sorted(calls) == [5, SEGMENT]
    assert [file.name for file in files(cache)] == ["0.gz", "1.gz"]


def test_only_the_segments_asked_for_are_computed(cache, video, calls):
    read(cache, video, [SEGMENT, SEGMENT + 1])
    assert calls == [5]
    assert [file.name for file in files(cache)] == ["1.gz"]


def test_a_hit_reads_nothing_of_the_video(cache, video):
    first = read(cache, video, [3, 4])
    assert torch.equal(cache.read(None, video, [3, 4]), first)


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def empty(file: Path) -> None:
    file.write_bytes(b"")


def flip_a_byte(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 255
    file.write_bytes(content)


def replace_by_text(file: Path) -> None:
    file.write_text("not flow")


def write_another_size(file: Path) -> None:
    file.write_bytes(gzip.compress(bytes(SEGMENT * 2 * 8 * 8)))


def write_too_few(file: Path) -> None:
    file.write_bytes(gzip.compress(bytes(3 * 2 * FLOW_SIZE[0] * FLOW_SIZE[1])))


@pytest.mark.parametrize("damage", [truncate, empty, flip_a_byte, replace_by_text, write_another_size, write_too_few])
def test_a_damaged_file_is_computed_anew(cache, video, calls, damage):
    positions = [0, 5]
    expected = read(cache, video, positions)
    damage(files(cache)[0])
    assert torch.equal(read(cache, video, positions), expected)
    assert torch.equal(read(cache, video, positions), expected)
    assert calls == [SEGMENT, SEGMENT]


def test_a_changed_video_and_another_method_are_kept_apart(cache, video, tmp_path):
    def kept() -> int:
        read(cache, video, [SEGMENT])
        return len(list(cache.folder.iterdir()))

    assert kept() == 1
    os.utime(video, (2, 2))
    assert kept() == 2
    with open(video, "ab") as stream:
        stream.write(b"\0" * 8)
    os.utime(video, (2, 2))
    assert kept() == 3
    cache = FlowCache(cache.folder, "tvl1")
    with VideoReader(video) as reader, pytest.MonkeyPatch.context() as patch:
        patch.setattr(flow_cache, "dense_flow", lambda *frames_and_method: dense_flow(*frames_and_method[:2]))
        cache.read(reader, video, [SEGMENT])
    assert len(list(cache.folder.iterdir())) == 4


def test_a_relative_path_is_the_same_video(cache, video, monkeypatch, calls):
    read(cache, video, [SEGMENT])
    monkeypatch.chdir(Path(video).parent)
    read(cache, Path(video).name, [SEGMENT])
    assert calls == [5]


def test_a_failed_write_leaves_no_file_and_says_what_to_do(cache, video, monkeypatch):
    def full(file, content):
        with file.open("wb") as stream:
            stream.write(content[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match=r"No space left on device.*free some space or remove `flow_cache`.*1\.gz"):
        read(cache, video, [SEGMENT])
    assert files(cache) == []


def test_a_folder_that_cannot_be_made_is_refused_at_once(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        FlowCache(tmp_path / "file" / "flow", "dis")


def _read_elsewhere(folder: Path, video: str) -> torch.Tensor:
    torch.set_num_threads(1)  # as in a DataLoader's worker; threads of the parent do not survive the fork
    return read(FlowCache(folder, "dis"), video, list(range(COUNT - 1))).clone()


def test_processes_that_fill_the_folder_at_once_get_the_same_and_leave_whole_files(cache, video):
    with ProcessPoolExecutor(3, get_context("fork")) as pool:
        results = list(pool.map(_read_elsewhere, [cache.folder] * 3, [video] * 3))
    expected = computed(video, list(range(COUNT - 1)))
    assert all(torch.equal(result, expected) for result in results)
    assert [file.name for file in files(cache)] == ["0.gz", "1.gz"]
    assert torch.equal(cache.read(None, video, list(range(COUNT - 1))), expected)


def test_a_video_that_has_fewer_frames_than_its_file_says_ends_with_its_last_flow(cache, video, monkeypatch):
    with VideoReader(video) as reader:
        reader.num_frames += 3  # as if counted wrongly; reading finds out
        flow = cache.read(reader, video, [SEGMENT + 4])
    assert len(gzip.decompress(files(cache)[0].read_bytes())) == 5 * 2 * FLOW_SIZE[0] * FLOW_SIZE[1]
    assert torch.equal(flow, computed(video, [SEGMENT + 4]))
