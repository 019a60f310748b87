import json

import pytest

from hf_selfdistill.experiments import run


def test_a_users_mistake_ends_the_process_with_one_line(tmp_path):
    values = {"model_name_or_path": "c3d", "dataset": "folder", "dataset_root": str(tmp_path / "nowhere")}
    (tmp_path / "plan.json").write_text(json.dumps([{"kind": "FinetuneConfig", "values": values}]))
    with pytest.raises(SystemExit, match=r"^error: .*nowhere.* is not a folder; give the folder of the videos$"):
        run.main(str(tmp_path / "plan.json"))


def test_an_empty_plan_does_nothing(tmp_path):
    (tmp_path / "plan.json").write_text("[]")
    run.main(str(tmp_path / "plan.json"))
