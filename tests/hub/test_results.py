from hf_selfdistill.hub.results import Result, add_results
from huggingface_hub import ModelCard

OLD = """---
model-index:
- name: X
  results:
  - task: {type: video-classification}
    dataset: {name: v, type: v}
    metrics:
    - {type: accuracy, name: video top-1, value: 0.5}
    - {type: accuracy, name: video top-5, value: 1.0}
---
# X

<!-- results: begin -->
| measured on | videos | video top-1 | video top-5 | clip top-1 | clip top-5 |
|---|---|---|---|---|---|
| v validation | 3 | 0.500 | 1.000 | 0.400 | 0.900 |
<!-- results: end -->
"""


def test_a_card_written_with_more_columns_keeps_each_number_under_its_name(tmp_path):
    (tmp_path / "README.md").write_text(OLD)
    metrics = {"video_top1": 0.7, "video_top5": 1.0, "clip_top1": 0.6, "clip_top5": 1.0, "num_videos": 12}
    assert add_results(tmp_path / "README.md", [Result("v", "test", "v test", metrics, classes=3)])
    card = ModelCard.load(tmp_path / "README.md")
    table = [line for line in card.text.splitlines() if line.startswith("| ")]
    assert table == [
        "| measured on | videos | video top-1 | clip top-1 |",
        "| v validation | 3 | 0.500 | 0.400 |",
        "| v test | 12 | 0.700 | 0.600 |",
    ]
    assert {entry.metric_name for entry in card.data.eval_results} == {"video top-1"}
