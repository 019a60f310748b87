import pytest

from hf_selfdistill.experiments.demo import demo


def test_the_demo_outside_the_projects_folder_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="run the demo in the project's folder"):
        demo(tmp_path)
