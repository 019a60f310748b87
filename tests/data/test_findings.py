from __future__ import annotations

import pickle

from hf_selfdistill.data.findings import VideoFindings


def test_what_several_processes_add_is_read_together_each_video_once(tmp_path):
    file = tmp_path / "out" / "findings.jsonl"
    one, other = VideoFindings(file), pickle.loads(pickle.dumps(VideoFindings(file)))
    one.add("unreadable", "b.mp4", "no video stream")
    other.add("unreadable", "a\tb\n.mp4", "empty file")
    other.add("unreadable", "b.mp4", "no video stream")
    one.add("unreadable", "b.mp4", "no video stream")
    one.add("short", "b.mp4", "8 frames")
    found = VideoFindings(file)
    assert found.read("unreadable") == {"a\tb\n.mp4": "empty file", "b.mp4": "no video stream"}
    assert found.read("short") == {"b.mp4": "8 frames"} and found.read("else") == {}
    assert len(file.read_text().splitlines()) == 4  # a process says a thing once


def test_nothing_is_found_where_nothing_was_added_or_all_was_cleared(tmp_path):
    found = VideoFindings(tmp_path / "findings.jsonl")
    assert found.read("short") == {}
    found.add("short", "a.mp4", "8 frames")
    found.clear()
    assert found.read("short") == {} and not found.file.exists()
    found.clear()
