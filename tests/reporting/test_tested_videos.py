from records import classified, fine_tuning

from hf_selfdistill.reporting import tested_videos
from hf_selfdistill.reporting.tested_videos import folder_of_videos


def test_videos_of_results_are_found_below_the_root_or_in_the_cache_of_the_hub(tmp_path, monkeypatch):
    monkeypatch.setattr(tested_videos, "HF_HUB_CACHE", str(tmp_path))
    in_cache = tmp_path / "datasets--owner--name" / "snapshots" / "abc"
    in_cache.mkdir(parents=True)
    (tmp_path / "videos").mkdir()
    folders = {
        tmp_path: {"dataset": "ucf101", "dataset_root": str(tmp_path), "annotations": "/lists"},
        tmp_path / "lists": {"dataset": "csv", "annotations": str(tmp_path / "lists" / "list.csv")},
        tmp_path / "videos": {"dataset": str(tmp_path / "videos")},
        in_cache: {"dataset": "owner/name"},
    }
    for folder, config in folders.items():
        result = classified()
        result.config.clear()
        result.config.update(config)
        assert folder_of_videos(fine_tuning(results=[result]), "classification") == folder
