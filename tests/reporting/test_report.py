import re
from html.parser import HTMLParser

import numpy as np
import pytest

from hf_selfdistill.reporting.report import Report, Table, render
from hf_selfdistill.reporting.retrieval_examples import ExampleVideo

INTERVAL = {"value": 0.7, "low": 0.6, "high": 0.8}
FORGETTING = {
    "retention": INTERVAL,
    "chance": 0.25,
    "before": {"knn_top1": {"value": 0.9, "low": 0.85, "high": 0.95}},
    "after": {"knn_top1": INTERVAL},
    "drift": {
        "cosine": INTERVAL,
        "relative_l2": INTERVAL,
        "weight_distance": 0.1,
        "effective_rank_before": {"value": 20.0, "low": None, "high": None},
        "effective_rank_after": {"value": 10.0, "low": 9.0, "high": 11.0},
        "layers": [{"name": "stem", "cka": INTERVAL}],
    },
}


def evaluation(classes, labels, predicted):
    predictions = [
        {"video": f"{place}.mp4", "label": label, "predicted": said}
        for place, (label, said) in enumerate(zip(labels, predicted, strict=True))
    ]
    right = {name: [said == name for label, said in zip(labels, predicted, strict=True) if label == name]
             for name in classes}  # fmt: skip
    return {
        **dict.fromkeys(("video_top1", "video_top5", "clip_top1", "clip_top5"), 0.5),
        "num_videos": len(labels),
        "protocol": "ucf101 split 1 test, 10 clips",
        "per_class": {name: float(np.mean(hits)) for name, hits in right.items() if hits},
        "predictions": predictions,
        "failed": [],
    }


@pytest.fixture(scope="module")
def page():
    black = np.zeros((2, 8, 8, 3), np.uint8)
    return render(
        Report(
            name="run <1>",
            summary="A model.",
            classes=["run", "walk"],
            how=[Table("Data", ["part", "videos"], [["train", "8"]])],
            log_history=[{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0}],
            evaluation=evaluation(["run", "walk"], ["run", "run", "walk"], ["walk", "run", "walk"]),
            retrieval=[(ExampleVideo("run", black), [ExampleVideo("walk", black, 0.9)])],
            retrieval_protocol="nearest by cosine",
            forgetting=FORGETTING,
            unreadable=[{"video": "bad.mp4", "reason": "empty file"}],
            missing=["Nothing."],
        )
    )


class Elements(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


def test_it_has_all_its_parts(page):
    assert re.findall("<h2>(.+?)</h2>", page) == [
        "Results", "Training", "Classes", "Retrieval", "What was forgotten", "How it was made", "Unreadable files",
        "Not in this report",
    ]  # fmt: skip
    assert "ucf101 split 1 test, 10 clips" in page and "50.0\N{NO-BREAK SPACE}%" in page
    assert "70.0\N{NO-BREAK SPACE}% [60.0\N{NO-BREAK SPACE}%, 80.0\N{NO-BREAK SPACE}%]" in page
    assert "<code>bad.mp4</code>: empty file" in page


def test_names_are_text_and_not_markup(page):
    assert "<h1>run &lt;1&gt;</h1>" in page


def test_it_needs_no_other_file_and_no_script(page):
    elements = Elements(page).found
    sources = [
        attributes.get("src") or attributes.get("srcset") for tag, attributes in elements if tag in ("img", "source")
    ]
    assert sources and all(source.startswith("data:image/") for source in sources)
    assert not {"script", "link", "iframe"} & {tag for tag, _ in elements}
    assert "http" not in re.sub('data:image/[^"]+', "", page)


def test_pictures_have_words_and_tables_have_heads(page):
    elements = Elements(page).found
    assert all(attributes["alt"] for tag, attributes in elements if tag == "img")
    tags = [tag for tag, _ in elements]
    assert tags.count("table") == tags.count("caption") == tags.count("thead") > 0
    assert all("scope" in attributes for tag, attributes in elements if tag == "th")


@pytest.mark.parametrize(
    ("forgetting", "why"),
    [
        (FORGETTING | {"retention": None}, "not surely better than chance"),
        ({"retention": None, "drift": FORGETTING["drift"]}, "the reference set has no labels"),
    ],
)
def test_where_there_is_no_retention_it_says_why_and_shows_the_drift(forgetting, why):
    page = render(Report(name="run", summary="A model.", classes=["run", "walk"], forgetting=forgetting))
    assert "No retention: " in page and why in page
    assert (
        "relative distance of weights" in page
        and "10.0 (9.0 … 11.0)" in page
        and ("Accuracy of frozen features" in page) == ("before" in forgetting)
    )


@pytest.mark.parametrize(("classes", "shown"), [(5, False), (6, True)])
def test_the_first_five_are_told_of_more_than_five_classes(classes, shown):
    names = [f"class {number}" for number in range(classes)]
    page = render(Report(name="run", summary="A model.", classes=names, evaluation=evaluation(names, names, names)))
    assert ("top-5" in page) == shown and "video top-1" in page


def test_measurements_beside_top_1_are_named_in_the_table():
    wide = {when: {**FORGETTING[when], "retrieval_top5": INTERVAL} for when in ("before", "after")}
    page = render(Report(name="run", summary="A model.", classes=["run"], forgetting=FORGETTING | wide))
    assert "retrieval, top-5" in page and "retrieval_top5" not in page


def test_what_the_encoder_was_pre_trained_on_is_measured_before_and_after():
    own = {"name": "rspnet", "before": {"speed_accuracy": INTERVAL}, "after": {"speed_accuracy": INTERVAL}}
    page = render(Report(name="run", summary="A model.", classes=["run"], forgetting=FORGETTING | {"objective": own}))
    row = re.search("speed accuracy.*?</tr>", page, re.DOTALL).group()
    assert "rspnet, what it was pre-trained on" in page and row.count("0.700 (0.600 … 0.800)") == 2
    assert "pre-trained on" not in render(Report(name="run", summary="", classes=["run"], forgetting=FORGETTING))


def test_what_is_not_known_is_left_out():
    page = render(Report(name="run", summary="A model.", classes=["run", "walk"]))
    assert re.findall("<h2>(.+?)</h2>", page) == ["Results"]
    assert "No figure has been measured yet." in page and "<img" not in page


def test_a_hundred_classes_and_four_thousand_videos_stay_small():
    classes = [f"HandstandPushups{number}" for number in range(100)]
    draw = np.random.default_rng(0)
    labels, said = draw.integers(0, 100, (2, 4000))
    said = np.where(draw.random(4000) < 0.5, labels, said)
    names = [[classes[index] for index in indices] for indices in (labels, said)]
    page = render(Report(name="run", summary="", classes=classes, evaluation=evaluation(classes, *names)))
    assert len(page.encode()) < 2_500_000
