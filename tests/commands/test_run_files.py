from __future__ import annotations

import json

import pytest

from hf_selfdistill.commands.run_files import read_run

OTHERS = [
    ("config.json", [], r"has \[\]"),
    ("trainer_state.json", {}, "lacks log_history"),
    ("all_results.json", {"unreadable": ["bad.mp4"]}, r'has "bad\.mp4" as unreadable\[0\]'),
    ("evaluation.json", {"retrieval_top1": 0.5}, "lacks video_top1"),
    ("retrieval.json", {"protocol": "nearest", "neighbours": [{"video": "a.mp4"}]}, r"lacks neighbours\[0\]\.label"),
    ("forgetting.json", {"top1": 0.5}, "lacks retention"),
    ("forgetting.json", {"retention": None, "drift": {}}, r"lacks drift\.cosine"),
    ("forgetting.json", {"retention": None, "before": {}, "drift": {}}, r"lacks before\.linear_probe_top1"),
]


@pytest.mark.parametrize(("file", "content", "words"), OTHERS)
def test_a_file_of_another_shape_is_named_with_what_it_lacks(tmp_path, file, content, words):
    (tmp_path / file).write_text(json.dumps(content))
    with pytest.raises(ValueError, match=rf"{file} {words};"):
        read_run(tmp_path)


def test_a_run_leaves_what_a_report_can_be_made_of(fine_tuned):
    run = read_run(fine_tuned)
    assert run.config["model_type"] == "c3d" and run.state["log_history"] and "eval_video_top1" in run.results
    assert run.evaluation is run.retrieval is run.forgetting is None
