"""The files of configs/accelerate, as `accelerate launch` takes them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin
from accelerate.utils.launch import prepare_multi_gpu_env

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "configs" / "accelerate"


def launch_environment(name, *flags):
    """What `accelerate launch` with these flags would do: its arguments, and the environment of its processes."""
    arguments = launch_command_parser().parse_args(["--config_file", str(CONFIGS / name), *flags, "finetune.py"])
    arguments, _, _ = _validate_launch_command(arguments)
    return arguments, prepare_multi_gpu_env(arguments)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def launch(name, *words):
    return subprocess.Popen(
        [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(CONFIGS / name), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def finish(*processes):
    """Wait for all; none outlives the test."""
    try:
        outputs = [process.communicate(timeout=140)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    for process, output in zip(processes, outputs, strict=True):
        assert process.returncode == 0, output[-3000:]


@pytest.mark.parametrize("file", sorted(CONFIGS.glob("*.yaml")), ids=lambda file: file.stem)
def test_accelerate_knows_every_key_and_says_how_many_processes(file):
    config = load_config_from_file(str(file))
    assert config.num_processes >= 2 and config.num_processes % config.num_machines == 0
    assert config.mixed_precision == "no"  # the recipe's and the flags' to choose


@pytest.mark.slow
def test_the_cpu_configuration_trains_on_two_processes(shapes, tiny_flags, fine_tuned, tmp_path):
    own = {"model_name_or_path": fine_tuned, "config_overrides": None}
    own |= {"per_device_train_batch_size": 2, "num_train_epochs": 1, "ddp_find_unused_parameters": False}
    flags = tiny_flags(shapes, tmp_path, **own)
    finish(launch("cpu.yaml", "--main_process_port", free_port(), str(ROOT / "scripts" / "finetune.py"), *flags))
    (checkpoint,) = tmp_path.glob("checkpoint-*")
    assert {file.name for file in checkpoint.glob("rng_state*")} == {"rng_state_0.pth", "rng_state_1.pth"}
    assert (checkpoint / "teacher.safetensors").is_file() and (tmp_path / "model.safetensors").is_file()


@pytest.mark.slow
def test_the_configuration_of_several_machines_joins_them(tmp_path):
    # Two machines of one process each, both of them this one, without GPUs.
    script = tmp_path / "ranks.py"
    script.write_text(
        "import json, sys, torch\n"
        "from accelerate import PartialState\n"
        "state = PartialState(cpu=True)\n"
        "total = torch.ones(1)\n"
        "torch.distributed.all_reduce(total)\n"
        "ranks = {'rank': state.process_index, 'processes': state.num_processes, 'sum': total.item()}\n"
        "open(f'{sys.argv[1]}/{state.process_index}.json', 'w').write(json.dumps(ranks))\n"
        "state.destroy_process_group()\n"
    )
    flags = ["--num_processes", "2", "--main_process_ip", "127.0.0.1", "--main_process_port", free_port()]
    words = [str(script), str(tmp_path)]
    finish(*(launch("multi_node.yaml", "--machine_rank", str(rank), *flags, *words) for rank in range(2)))
    for rank in range(2):
        assert json.loads((tmp_path / f"{rank}.json").read_text()) == {"rank": rank, "processes": 2, "sum": 2.0}


def test_several_machines_start_eight_processes_each():
    arguments, _ = launch_environment("multi_node.yaml", "--machine_rank", "1", "--main_process_ip", "10.0.0.1")
    assert (arguments.nnodes, arguments.nproc_per_node, arguments.node_rank) == ("2", "8", 1)
    assert arguments.rdzv_endpoint == "10.0.0.1:29500"


def test_one_machine_starts_a_process_per_gpu_as_many_as_asked_for():
    arguments, environment = launch_environment("multi_gpu.yaml", "--num_processes", "8")
    assert arguments.multi_gpu and arguments.nproc_per_node == "8" and "ACCELERATE_USE_FSDP" not in environment


def test_the_fsdp2_configuration_makes_the_plugin_that_checkpoints_need(monkeypatch):
    assert load_config_from_file(str(CONFIGS / "fsdp2.yaml")).distributed_type == DistributedType.FSDP
    arguments, environment = launch_environment("fsdp2.yaml")
    assert arguments.use_fsdp and environment["ACCELERATE_USE_FSDP"] == "true"
    for name, value in environment.items():
        if name.startswith("FSDP_"):
            monkeypatch.setenv(name, value)
    plugin = FullyShardedDataParallelPlugin()
    assert plugin.fsdp_version == 2 and plugin.reshard_after_forward is True
    assert plugin.state_dict_type.name == "FULL_STATE_DICT"  # else no model.safetensors is written
    assert not plugin.cpu_ram_efficient_loading  # else the teacher would be a copy of nothing on all ranks but one
