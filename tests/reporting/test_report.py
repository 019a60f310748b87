"""The page about a run: records made by hand, and one real run."""

from __future__ import annotations

import dataclasses
import json
import logging
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image
from records import classified, fine_tuning, knn, save_model

from hf_selfdistill import load_video_dataset
from hf_selfdistill.models.loading import load_for_inference
from hf_selfdistill.reporting import report
from hf_selfdistill.reporting.report import write_report
from hf_selfdistill.training.arguments import ClassificationArguments
from hf_selfdistill.training.classification import ClassificationTrainer
from hf_selfdistill.training.record import Result, RunRecord

INTERVAL = {"value": 0.7, "low": 0.6, "high": 0.8}
FORGETTING = {
    "retention": INTERVAL,
    "chance": 0.25,
    "before": {"knn_top1": {"value": 0.9, "low": 0.85, "high": 0.95}},
    "after": {"knn_top1": INTERVAL},
    "objective": None,
    "drift": {
        "cka": INTERVAL,
        "cosine": INTERVAL,
        "relative_l2": INTERVAL,
        "weight_distance": 0.1,
        "effective_rank_before": {"value": 20.0, "low": None, "high": None},
        "effective_rank_after": {"value": 10.0, "low": 9.0, "high": 11.0},
        "layers": [{"name": "stem", "cka": INTERVAL}],
    },
    "protocol": "reference videos",
    "failed": [],
}
UNLABELLED = {"retention": None} | {key: FORGETTING[key] for key in ("objective", "drift", "protocol", "failed")}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "model"
    save_model(folder)
    return folder


@pytest.fixture
def run(model, tmp_path):
    return shutil.copytree(model, tmp_path / "run <1>")


@pytest.fixture
def page_of(run):
    """The page of a run whose record has these results of the saved weights."""

    def write(*results, saliency=(), log=None, **fields):
        weights = report.hash_of_model(run)
        own = [dataclasses.replace(result, weights=weights) for result in results]
        fine_tuning(weights, results=own, **fields).save(run)
        if log is not None:
            (run / "trainer_state.json").write_text(json.dumps({"log_history": log}))
        return write_report(run, saliency).read_text(encoding="utf-8")

    return write


def headings(page):
    return re.findall("<h2>(.+?)</h2>", page)


def section(page, name):
    return re.search(rf"<h2>{name}</h2>(.*?)</section>", page, re.DOTALL)[1]


class Elements(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


@pytest.fixture
def full_page(page_of):
    log = [{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0}]
    return page_of(classified(), knn(), Result("forgetting", "", FORGETTING), log=log)


def test_a_page_has_all_its_parts(full_page):
    assert headings(full_page) == [
        "Results", "Training", "Classes", "Saliency", "Forgetting", "Settings", "Unreadable files", "Not measured yet",
    ]  # fmt: skip
    assert "ucf101 split 2 test, 10 clips" in section(full_page, "Results")
    assert "75.0\N{NO-BREAK SPACE}%" in full_page and "top-1 0.500" in section(full_page, "Results")
    assert "70.0 (60.0 … 80.0)" in section(full_page, "Forgetting")
    assert "<code>bad.mp4</code>: empty file" in full_page and ">0.05</td>" in section(full_page, "Settings")
    assert "Wall time of the training: 0:01:05." in full_page


def test_the_first_screen_has_accuracy_and_what_was_kept_side_by_side(full_page, page_of):
    def tiles(page):
        return page.partition('<dl class="key">')[2].partition("</dl>")[0]

    assert "75.0\N{NO-BREAK SPACE}%" in tiles(full_page) and "<dt>retention</dt>" in tiles(full_page)
    drift = {"cka": {"value": 0.9, "low": 0.8, "high": 1.0}, "relative_l2": {"value": 0.2, "low": 0.1, "high": 0.3}}
    untested = tiles(page_of(metrics={"eval_video_top1": 0.5, "drift": drift}))
    assert "<dt>validation, video top-1</dt><dd>50.0\N{NO-BREAK SPACE}%</dd>" in untested
    assert "<dd>0.90 (0.80 … 1.00)</dd>" in untested


def test_names_are_text_and_not_markup(full_page):
    assert "<h1>run &lt;1&gt;</h1>" in full_page


def test_a_page_needs_no_other_file_and_no_script(full_page):
    elements = Elements(full_page).found
    sources = [
        attributes.get("src") or attributes.get("srcset") for tag, attributes in elements if tag in ("img", "source")
    ]
    assert sources and all(source.startswith("data:image/") for source in sources)
    assert not {"script", "link", "iframe"} & {tag for tag, _ in elements}
    assert "http" not in re.sub('data:image/[^"]+', "", full_page)


def test_pictures_have_alternative_texts_and_tables_have_heads(full_page):
    elements = Elements(full_page).found
    assert all(attributes["alt"] for tag, attributes in elements if tag == "img")
    tags = [tag for tag, _ in elements]
    assert tags.count("table") == tags.count("caption") == tags.count("thead") > 0
    assert all("scope" in attributes for tag, attributes in elements if tag == "th")


def test_the_card_links_to_the_page(page_of, run):
    page_of()
    assert (run / "README.md").read_text().count("[report.html](report.html)") == 1


def test_parts_that_were_not_measured_are_left_out_and_named_with_their_commands(page_of, run):
    page = page_of(metrics={})
    assert headings(page) == ["Results", "Settings", "Not measured yet"]
    assert "Nothing has been measured on these weights yet." in page and "<img" not in page
    commands = re.findall("<code>(.+?)</code>", section(page, "Not measured yet"))
    data = "--dataset ucf101 --dataset_root UCF-101 --split 2"
    folder = f"--model_name_or_path &#39;{run}&#39;".replace("<", "&lt;").replace(">", "&gt;")
    assert commands[:2] == [
        f"hf-selfdistill evaluate --task {task} {folder} {data}" for task in ("classification", "retrieval")
    ]
    assert commands[2].endswith("--before encoder --dataset folder --dataset_root REFERENCE_VIDEOS")


def test_the_reference_set_of_the_run_is_suggested_for_forgetting(page_of):
    config = {"model_name_or_path": "encoder", "reference_dataset": "csv", "reference_annotations": "list.csv"}
    assert "--before encoder --dataset csv --annotations list.csv</code>" in page_of(config=config)


def test_random_weights_have_nothing_to_forget(page_of):
    assert "--task forgetting" not in page_of(model={"base": None})


def test_results_of_other_weights_are_not_shown_and_named_with_their_command(run, caplog):
    record = fine_tuning("before", results=[classified("before"), knn("before")])
    record.save(run)
    with caplog.at_level(logging.WARNING):
        page = write_report(run).read_text(encoding="utf-8")
    assert {"Classes", "Saliency"}.isdisjoint(headings(page)) and "10 clips" not in page
    assert "62.5" not in page  # the validation was of the weights before, too
    stale = section(page, "Stale results")
    assert "--task classification --model_name_or_path" in stale
    assert "--dataset ucf101 --dataset_root &#39;my videos&#39; --split 2</code>" in stale
    assert "<dt>knn</dt>" in stale and "--task classification" not in section(page, "Not measured yet")
    assert "Results of classification are from other weights and not shown; measure again: hf-self" in caplog.text
    assert "Nothing has been measured yet." in (run / "README.md").read_text()
    assert RunRecord.load(run) == record


def test_a_task_that_was_measured_since_is_not_stale(page_of, run):
    page_of(knn())
    record = RunRecord.load(run)
    record.results.insert(0, knn("before", "other videos"))
    record.save(run)
    page = write_report(run).read_text(encoding="utf-8")
    assert "Stale results" not in headings(page) and "other videos" not in page


def test_curves_of_a_training_that_did_not_save_the_weights_say_so(run):
    fine_tuning("before").save(run)
    (run / "trainer_state.json").write_text(
        json.dumps({"log_history": [{"step": 1, "loss": 2}, {"step": 2, "loss": 1}]})
    )
    assert "The weights in the folder are not the ones that this training saved." in write_report(run).read_text()


def test_changes_on_resuming_are_listed(page_of):
    change = {"step": 6, "parameter": "learning_rate", "before": None, "after": 0.01}
    rows = section(page_of(changes=[change]), "Settings")
    assert '<th scope="row">6</th><td>learning_rate</td><td>default</td><td>0.01</td>' in rows


@pytest.mark.parametrize(
    ("forgetting", "reason"),
    [
        (FORGETTING | {"retention": None}, "not significantly better than chance"),
        (UNLABELLED, "the reference set has no labels"),
    ],
)
def test_without_a_retention_the_page_gives_the_reason_and_shows_the_drift(page_of, forgetting, reason):
    page = section(page_of(Result("forgetting", "", forgetting)), "Forgetting")
    assert "No retention: " in page and reason in page
    assert "relative distance of the weights" in page and "10.0 (9.0 … 11.0)" in page
    assert ("Accuracy of frozen features" in page) == ("before" in forgetting)


def test_chance_and_a_class_that_all_videos_are_predicted_as_are_named(page_of):
    predictions = [{"video": "v", "label": label, "predicted": "walk", "score": 0.5} for label in ("run", "walk")]
    page = page_of(classified(protocol="my test", predictions=predictions))
    assert "<p>Chance is 50.0 %. In the test part, all videos were predicted as walk.</p>" in page


@pytest.mark.parametrize(("classes", "shown"), [(5, False), (6, True)])
def test_top_5_is_shown_for_more_than_five_classes(page_of, classes, shown):
    page = page_of(model={"classes": [f"class {number}" for number in range(classes)]})
    assert ("top-5" in page) == shown and "video top-1" in page


def test_a_hundred_classes_and_four_thousand_videos_stay_small(page_of, monkeypatch):
    monkeypatch.setattr(report, "saliency_examples", lambda *given: ([], ""))
    classes = [f"HandstandPushups{number}" for number in range(100)]
    draw = np.random.default_rng(0)
    labels, predicted = draw.integers(0, 100, (2, 4000))
    predicted = np.where(draw.random(4000) < 0.5, labels, predicted)
    predictions = [
        {"video": "v", "label": classes[label], "predicted": classes[other], "score": 0.5}
        for label, other in zip(labels, predicted, strict=True)
    ]
    accuracies = dict.fromkeys(classes, 0.5)
    page = page_of(classified(predictions=predictions, per_class=accuracies), model={"classes": classes})
    assert len(page.encode()) < 2_500_000


def test_own_saliency_pictures_are_embedded_and_too_many_bytes_refused(page_of, tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "left.png")
    assert 'alt="Saliency: left"' in page_of(saliency=[str(tmp_path / "left.png")])
    (tmp_path / "big.png").write_bytes(bytes(3_000_000))
    with pytest.raises(ValueError, match=r"3\.0 MB; at most 2\.5 MB"):
        page_of(saliency=[str(tmp_path / "big.png")])


def test_a_folder_without_a_record_says_who_made_it_and_what_to_do(run):
    with pytest.raises(
        ValueError, match=r"has no run\.json: .* an earlier version or another tool .*; fine-tune with"
    ):
        write_report(run)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda record, folder: setattr(record, "task", "pretrain"), "a pre-training"),
        (lambda record, folder: setattr(record, "status", "running"), "an unfinished run"),
        (lambda record, folder: (folder / "model.safetensors").unlink(), "a run without weights"),
    ],
)
def test_what_is_not_a_finished_fine_tuning_is_refused(run, change, found):
    record = fine_tuning()
    change(record, run)
    record.save(run)
    with pytest.raises(ValueError, match=f"holds {found}; a report needs"):
        write_report(run)


def test_a_damaged_log_is_one_line(page_of, run):
    (run / "trainer_state.json").write_text("{")
    with pytest.raises(ValueError, match=r"trainer_state\.json is damaged; move it away"):
        page_of()


def test_without_matplotlib_the_error_says_what_to_install(run, monkeypatch):
    monkeypatch.setattr(report, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"hf_selfdistill\[report\]"):
        write_report(run)


def test_a_real_run_has_a_page_with_saliency_and_retrieval(fine_tuned, shapes, tmp_path):
    run = shutil.copytree(fine_tuned, tmp_path / "run")
    videos = load_video_dataset("moving_shapes", shapes)
    model, processor = load_for_inference(str(run))
    args = ClassificationArguments(str(tmp_path), use_cpu=True, report_to="none", disable_tqdm=True)
    values = ClassificationTrainer(model, args, processing_class=processor).evaluate(videos["test"], num_clips=2)
    query = {"video": values["predictions"][0]["video"], "label": "moving_left", "nearest": []}
    neighbours = {"neighbours": [query], "num_videos": 6, "protocol": "nearest by cosine", "retrieval_top1": 0.5}
    record = RunRecord.load(run)
    record.add(Result("classification", record.weights, values, {"dataset_root": str(shapes)}))
    record.add(Result("retrieval", record.weights, neighbours, {"dataset_root": str(shapes)}))
    record.save(run)
    page = write_report(run).read_text(encoding="utf-8")
    assert values["protocol"] in page and "query: moving_left" in page and page.count("Evidence in v_moving") > 1
    assert ">seed</th><td>42</td>" in page and "moving_shapes validation, 1 clip of 8 frames" in page
    assert {"Training", "Classes", "Saliency", "Retrieval"} < set(headings(page))
