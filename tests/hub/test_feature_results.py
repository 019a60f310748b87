import pytest
from hf_selfdistill.hub.feature_results import add_feature_results, feature_table

KNN = {"knn_top1": 0.5, "num_videos": 4, "protocol": "test part, 2 clips; 5 nearest by cosine"}
RETRIEVAL = {"retrieval_top1": 0.25, "retrieval_top5": 1.0, "neighbours": [], "num_videos": 4, "protocol": "test part"}


@pytest.fixture
def card(tmp_path):
    file = tmp_path / "README.md"
    file.write_text(f"# encoder\n\nbefore\n\n{feature_table([])}\n\nafter\n")
    return file


def rows(card):
    return [line for line in card.read_text().splitlines() if line.startswith("| ")][1:]


def test_each_task_has_its_row_and_the_rest_of_the_card_stays(card):
    assert "Nothing has been measured yet." in card.read_text()
    assert add_feature_results(card, "knn", KNN) and add_feature_results(card, "retrieval", RETRIEVAL)
    assert rows(card) == [
        "| knn | top-1 0.500 | 4 | test part, 2 clips; 5 nearest by cosine |",
        "| retrieval | top-1 0.250, top-5 1.000 | 4 | test part |",
    ]
    text = card.read_text()
    assert text.startswith("# encoder\n\nbefore\n\n") and text.endswith("\n\nafter\n") and "Nothing" not in text


def test_the_same_on_the_same_videos_is_replaced_and_on_others_it_is_added(card):
    add_feature_results(card, "knn", KNN)
    add_feature_results(card, "knn", {**KNN, "knn_top1": 0.75, "protocol": "test part, 2 clips; 20 nearest by cosine"})
    assert rows(card) == ["| knn | top-1 0.750 | 4 | test part, 2 clips; 20 nearest by cosine |"]
    add_feature_results(card, "knn", {**KNN, "protocol": "validation part; 5 nearest by cosine"})
    assert len(rows(card)) == 2


def test_another_card_is_left_alone(card, tmp_path):
    card.write_text("# of others\n")
    assert not add_feature_results(card, "knn", KNN) and card.read_text() == "# of others\n"
    assert not add_feature_results(tmp_path / "none.md", "knn", KNN)
