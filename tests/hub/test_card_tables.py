from hf_selfdistill.hub.card_tables import CardTable, card_summary, card_tables, link_report

CARD = """---
library_name: transformers
---

# run

A `C3D` that tells
2 classes apart ([Zhou](https://arxiv.org)).

## Training data

Data set `ucf101`, split 2.

| part | videos |
|---|---|
| train | `8` |

## Results

<!-- results: begin -->
<!-- results: end -->
"""


def test_tables_are_read_back(tmp_path):
    (tmp_path / "README.md").write_text(CARD)
    assert card_tables(tmp_path / "README.md") == [CardTable("Training data", ["part", "videos"], [["train", "8"]])]
    assert card_summary(tmp_path / "README.md") == "A C3D that tells 2 classes apart (Zhou). Data set ucf101, split 2."


def test_the_link_stands_below_the_results_once(tmp_path):
    (tmp_path / "README.md").write_text(CARD)
    assert link_report(tmp_path / "README.md") and link_report(tmp_path / "README.md")
    text = (tmp_path / "README.md").read_text()
    assert text.count("[report.html](report.html)") == 1
    assert text.index("results: end") < text.index("report.html")


def test_a_card_of_others_is_left_alone(tmp_path):
    (tmp_path / "README.md").write_text("my own words\n")
    assert not link_report(tmp_path / "README.md")
    assert (tmp_path / "README.md").read_text() == "my own words\n"
    assert card_summary(tmp_path / "README.md") is None and card_tables(tmp_path / "nothing.md") == []
