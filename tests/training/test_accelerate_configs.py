"""The shipped accelerate configs: all read by accelerate itself, the one for CPUs run."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.utils import FullyShardedDataParallelPlugin
from accelerate.utils.launch import prepare_deepspeed_cmd_env, prepare_multi_gpu_env
from helpers.quick_python import quick_python

from hf_hardneg.cli import main
from hf_hardneg.commands.config import ACCELERATE_CONFIGS as CONFIGS


TYPES = {
    "single_gpu": "NO",
    "multi_gpu": "MULTI_GPU",
    "multi_node": "MULTI_GPU",
    "multi_cpu": "MULTI_GPU",
    "fsdp": "FSDP",
    "deepspeed_zero2": "DEEPSPEED",
}


def launch_arguments(name):
    """What `accelerate launch` makes of a config."""
    argv = ["--config_file", str(CONFIGS / f"{name}.yaml"), "-m", "hf_hardneg.train", "demo.yaml"]
    args, _, _ = _validate_launch_command(launch_command_parser().parse_args(argv))
    args.deepspeed_fields_from_accelerate_config = ""
    return args


def test_the_command_line_says_where_each_config_lies(capsys):
    assert {file.stem for file in CONFIGS.glob("*.yaml")} == set(TYPES)
    for name in TYPES:
        main(["config", name])
        assert Path(capsys.readouterr().out.strip()) == CONFIGS / f"{name}.yaml"


@pytest.mark.parametrize("name", TYPES)
def test_accelerate_reads_every_key_of_a_config(name):
    config = load_config_from_file(str(CONFIGS / f"{name}.yaml"))  # raises on a key that it does not know
    assert config.distributed_type.value == TYPES[name]
    args = launch_arguments(name)
    assert args.num_processes == config.num_processes
    assert args.mixed_precision == ("no" if name == "multi_cpu" else "bf16")
    assert args.use_cpu == (name == "multi_cpu")


def test_the_fsdp_config_makes_a_plugin_of_version_2_that_saves_whole_models(monkeypatch):
    environment = prepare_multi_gpu_env(launch_arguments("fsdp"))
    for key in environment.keys() - os.environ.keys():
        monkeypatch.setenv(key, environment[key])
    plugin = FullyShardedDataParallelPlugin()
    assert plugin.fsdp_version == 2 and plugin.reshard_after_forward is True
    assert "FULL" in str(plugin.state_dict_type) and not plugin.cpu_ram_efficient_loading


def test_the_deepspeed_config_asks_for_stage_2():
    _, environment = prepare_deepspeed_cmd_env(launch_arguments("deepspeed_zero2"))
    assert environment["ACCELERATE_USE_DEEPSPEED"] == "true"
    assert environment["ACCELERATE_DEEPSPEED_ZERO_STAGE"] == "2"


def test_every_machine_of_many_starts_its_share():
    args = launch_arguments("multi_node")
    prepare_multi_gpu_env(args)
    assert (args.nnodes, args.nproc_per_node) == ("2", "8")


def test_the_multi_cpu_config_trains_in_two_processes_that_share_each_batch(start, tmp_path):
    out = tmp_path / "out"
    command = [quick_python(), "-m", "accelerate.commands.launch", "--config_file", str(CONFIGS / "multi_cpu.yaml")]
    command += ["-m", "hf_hardneg.train", "demo.yaml", "--model_name_or_path", start, "--output_dir", str(out)]
    command += ["--num_rows", "64", "--max_steps", "2", "--control", "false", "--use_cpu", "true"]
    command += ["--pairs_per_concept", "2", "--held_out_images", "8", "--per_device_train_batch_size", "8"]
    command += ["--grad_cache_rows", "3", "--dataloader_num_workers", "0"]
    done = subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["training"]["batch_size"] == 16 and metrics["training"]["steps"] == 2
    assert done.stdout.count("Saved in") == 1
