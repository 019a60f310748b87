import pytest
import torch
from transformers import pipeline

from hf_selfdistill.commands import predict


def run(capsys, *words):
    with pytest.raises(SystemExit) as stopped:
        predict.main([str(word) for word in words])
    return stopped.value.code, capsys.readouterr()


def test_it_prints_the_likeliest_classes_of_each_file(fine_tuned, shapes, capsys):
    videos = sorted(shapes.glob("*/*.avi"))[:2]
    code, printed = run(capsys, "--model_name_or_path", fine_tuned, *videos, "--top_k", 2)
    lines = printed.out.splitlines()
    assert code == 0 and len(lines) == 6
    assert lines[0] == str(videos[0]) and lines[3] == str(videos[1])
    assert lines[1].split()[1] in ("moving_left", "moving_right", "moving_up")


def test_one_clip_gives_the_scores_of_the_pipeline(fine_tuned, shapes, capsys):
    video = str(next(shapes.glob("*/*.avi")))
    _, printed = run(capsys, "--model_name_or_path", fine_tuned, video, "--num_clips", 1)
    mine = {row.split()[1]: row.split()[0] for row in printed.out.splitlines()[1:]}
    theirs = {row["label"]: f"{row['score']:.1%}" for row in pipeline("video-classification", str(fine_tuned))(video)}
    assert mine == theirs


def test_a_bad_file_is_named_and_the_others_are_classified(fine_tuned, shapes, tmp_path, capsys):
    bad = tmp_path / "notes.mp4"
    bad.write_text("not a video")
    code, printed = run(capsys, "--model_name_or_path", fine_tuned, bad, next(shapes.glob("*/*.avi")))
    assert code == 1
    assert printed.err.strip().splitlines()[-1].startswith(f"error: {bad}: ")
    assert len(printed.out.splitlines()) == 4


@pytest.mark.parametrize("wrong", [["--top_k", "0"], ["--num_clips", "0"]])
def test_a_wrong_number_is_one_line(fine_tuned, wrong, capsys):
    code, _ = run(capsys, "--model_name_or_path", fine_tuned, "x.mp4", *wrong)
    assert code.startswith("error: ") and wrong[0].removeprefix("--") in code


def test_probabilities_sum_to_one(fine_tuned, shapes):
    from hf_selfdistill.commands.models import load_for_inference
    from hf_selfdistill.data.sampling import clip_sampler

    model, processor = load_for_inference(str(fine_tuned))
    scores = predict.predict(str(next(shapes.glob("*/*.mp4"))), model, processor, clip_sampler(10, 8))
    assert scores.shape == (3,)
    torch.testing.assert_close(scores.sum(), torch.tensor(1.0))
