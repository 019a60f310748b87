import pytest

from hf_selfdistill.runs.configs import PredictConfig
from hf_selfdistill.runs.predict import predict


def test_each_video_has_its_classes_and_a_bad_one_its_reason(fine_tuned, shapes, tmp_path):
    (tmp_path / "notes.mp4").write_text("not a video")
    videos = [str(tmp_path / "notes.mp4"), str(next(shapes.glob("*/*.mp4")))]
    bad, good = predict(PredictConfig(model_name_or_path=str(fine_tuned), videos=videos, num_clips=2, top_k=2))
    assert bad.error is not None and bad.classes == () and good.error is None
    assert len(good.classes) == 2 and good.classes[0][1] == pytest.approx(good.scores.max().item())


def test_without_videos_it_is_refused(fine_tuned):
    with pytest.raises(ValueError, match="`names` is empty"):
        next(predict(PredictConfig(model_name_or_path=str(fine_tuned))))
