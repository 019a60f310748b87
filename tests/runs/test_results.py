import pytest

from hf_selfdistill.runs.configs import EvaluateConfig
from hf_selfdistill.runs.results import prepare_output


def test_a_folder_in_place_of_the_file_is_refused_before_anything_is_measured(tmp_path):
    config = EvaluateConfig(model_name_or_path="x", dataset="ucf101", output_file=str(tmp_path))
    with pytest.raises(ValueError, match="a folder; name a file in it"):
        prepare_output(config)


def test_the_folder_of_the_results_is_made_and_the_config_stays_as_it_is(tmp_path):
    file = tmp_path / "new" / "evaluation.json"
    config = EvaluateConfig(model_name_or_path="x", dataset="ucf101", output_file=str(file))
    ready = prepare_output(config)
    assert file.parent.is_dir() and ready.output_dir == str(file.parent) and not config.output_dir
