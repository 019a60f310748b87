from __future__ import annotations

import pytest

from hf_selfdistill.data.findings import VideoFindings


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "out" / "findings"


def test_what_several_processes_add_is_read_together_and_each_says_a_thing_once(folder, monkeypatch):
    for rank in ("0", "1"):
        monkeypatch.setenv("RANK", rank)
        for _ in range(2):  # workers begin anew in every epoch
            found = VideoFindings(folder)
            for _ in range(2):
                found.add("unreadable", "b.mp4", "no video stream")
                found.add("unreadable", "a\tb\n.mp4", "empty file")
                found.add("short", "b.mp4", "8 frames")
    assert found.read("unreadable") == {"a\tb\n.mp4": "empty file", "b.mp4": "no video stream"}
    assert found.read("short") == {"b.mp4": "8 frames"} and found.read("else") == {}
    lines = [file.read_text().strip().splitlines() for file in sorted(folder.iterdir())]
    assert len(lines) == 2 and all(len(own) == 3 for own in lines)


def test_a_line_that_was_cut_off_is_left_out_with_a_warning_and_spoils_no_other(folder, caplog):
    VideoFindings(folder).add("short", "a.mp4", "8 frames")
    with (folder / "0-main.jsonl").open("a") as lines:
        lines.write('\n{"kind": "short", "vid')
    VideoFindings(folder).add("short", "b.mp4", "9 frames")
    assert VideoFindings(folder).read("short") == {"a.mp4": "8 frames", "b.mp4": "9 frames"}
    assert '0-main.jsonl that was cut off: {"kind": "short", "vid' in caplog.text


def test_nothing_is_found_where_nothing_was_added_or_all_was_cleared(folder):
    found = VideoFindings(folder)
    assert found.read("short") == {}
    for _ in range(2):
        found.add("short", "a.mp4", "8 frames")
        assert found.read("short") == {"a.mp4": "8 frames"}
        found.clear()
        assert found.read("short") == {} and not folder.exists()
    found.clear()
