import pytest

from hf_selfdistill.experiments.demo import demo


def test_outside_the_projects_folder_it_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="start the demo in the project's folder"):
        demo(tmp_path)
