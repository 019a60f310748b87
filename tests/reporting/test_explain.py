from pathlib import Path

import pytest
import torch
from PIL import Image
from processes import run_without_reader
from tiny_classifiers import save_checkpoint, tiny_model, tiny_processor

from hf_selfdistill.cli import predict
from hf_selfdistill.data.video_files import named_videos
from hf_selfdistill.models.loading import load_for_inference
from hf_selfdistill.reporting.explain import Explainer, _picture_name
from hf_selfdistill.training.clips import clips_without_labels


def explain(*words):
    with pytest.raises(SystemExit) as stopped:
        predict.main([str(word) for word in words])
    return stopped.value.code


def test_it_shows_where_it_saw_the_class(fine_tuned, shapes, tmp_path, caplog):
    video = next(shapes.glob("*/*.avi"))
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    for twin in (tmp_path / "a" / "same.avi", tmp_path / "b" / "same.avi"):
        twin.write_bytes(video.read_bytes())
    flags = ["--model_name_or_path", fine_tuned, "--explain", tmp_path / "pictures"]
    with caplog.at_level("INFO"):
        code = explain(*flags, video, tmp_path / "a", tmp_path / "b")
    assert code == 0 and caplog.messages[-1] == f"The pictures are in {tmp_path / 'pictures'}"
    written = sorted(file.name for file in (tmp_path / "pictures").iterdir())
    prefix = "-".join(tmp_path.parts[1:])
    stems = [f"{prefix}-a-same.avi", f"{prefix}-b-same.avi", video.stem]
    assert written == sorted(f"{stem}{suffix}" for stem in stems for suffix in (".png", ".gif"))
    with Image.open(tmp_path / "pictures" / f"{video.stem}.gif") as gif:
        assert gif.n_frames == 8


@pytest.mark.slow
def test_all_pictures_are_drawn_though_nobody_reads_the_classes(fine_tuned, shapes, tmp_path):
    folder = tmp_path / "pictures"
    code, said = run_without_reader("predict", "--model_name_or_path", fine_tuned, shapes, "--explain", folder)
    assert code == 0 and said.splitlines()[1:] == [f"The pictures are in {folder}"]
    assert len(list(folder.iterdir())) == 2 * len(named_videos([str(shapes)]))


def test_the_clip_that_is_surest_of_the_class_is_explained(fine_tuned, shapes):
    model, processor = load_for_inference(fine_tuned)
    records = named_videos([str(next(shapes.glob("*/*.avi")))])
    clips = clips_without_labels(records, model, processor, 3)
    logits = torch.tensor([[0.0, 1.0, 0.0], [0.0, 9.0, 0.0], [3.0, 0.0, 2.0]])
    explanation = Explainer(model, processor, clips).explain(records[0]["video"]["path"], logits)
    assert explanation.label == model.config.id2label[1] == explanation.scores[0][0]
    assert explanation.clip == "clip 2 of 3" and len(explanation.evidence) == len(explanation.frames) == 8


def test_what_cannot_be_explained_is_refused_in_one_line(shapes, tmp_path, capsys):
    folder = save_checkpoint(tiny_model("videomae"), tiny_processor("videomae"), tmp_path / "model")
    video = next(shapes.glob("*/*.avi"))
    code = explain("--model_name_or_path", folder, "--explain", tmp_path / "pictures", video)
    assert (
        code.startswith("error: VideoMAEForVideoClassification has no last feature map")
        and capsys.readouterr().out == ""
    )
    assert not (tmp_path / "pictures").exists()


@pytest.mark.parametrize("has_own_stem", [True, False])
def test_names_of_pictures_are_cut_off_where_no_file_system_takes_them_and_stay_unique(has_own_stem):
    paths = [Path("é" * 120 + f"{folder}/" + "é" * 130 + f"{folder}.ts") for folder in "ab"]
    names = [_picture_name(path, has_own_stem) for path in paths]
    assert len(set(names)) == 2
    assert all(len(f"{name}.png".encode()) <= 255 for name in names)
    assert _picture_name(Path("a/b.mp4"), has_own_stem) == ("b" if has_own_stem else "a-b.mp4")
