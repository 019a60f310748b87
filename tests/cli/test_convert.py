import logging

import pytest
import torch
from reference_nets import ReferenceC3D
from transformers import AutoModel, AutoVideoProcessor

from hf_selfdistill.cli import convert


@pytest.fixture
def pace_file(tmp_path):
    net = ReferenceC3D((4, 8, 8, 8, 8))
    torch.save({"epoch": 18, "state_dict": net.state_dict(), "opt_dict": {}}, tmp_path / "pace.pth.tar")
    return tmp_path / "pace.pth.tar", net.eval()


def test_the_converted_folder_loads_by_itself_and_the_report_is_printed(pace_file, tmp_path, caplog):
    file, net = pace_file
    with caplog.at_level(logging.INFO):
        convert.main(["--source", "pace", "--checkpoint", str(file), "--output_dir", str(tmp_path / "out")])
    assert "56" in caplog.text and "missing" in caplog.text  # 8 layers of 7 tensors each
    encoder = AutoModel.from_pretrained(tmp_path / "out").eval()
    clips = torch.randn(2, 8, 3, 16, 16)
    with torch.no_grad():
        expected = net(clips.flip(2).transpose(1, 2)).mean((2, 3, 4))  # Pace takes BGR, ours RGB
        torch.testing.assert_close(encoder(clips).pooler_output, expected, rtol=1e-5, atol=1e-6)
    assert AutoVideoProcessor.from_pretrained(tmp_path / "out").size["shortest_edge"] == 128


@pytest.mark.parametrize(("source", "message"), [("vcop", "pace"), ("imagenet", "invalid choice: 'imagenet'")])
def test_a_wrong_source_is_one_line(pace_file, tmp_path, capsys, source, message):
    with pytest.raises(SystemExit) as stopped:
        convert.main(["--source", source, "--checkpoint", str(pace_file[0]), "--output_dir", str(tmp_path / "out")])
    line = stopped.value.code if isinstance(stopped.value.code, str) else capsys.readouterr().err
    assert message in line
    assert not (tmp_path / "out").exists()
