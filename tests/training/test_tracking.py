"""A model and its control are two runs for trackers. Trainer's own callback drives a recorder in place of wandb."""

import sys
import types

import pytest

from hf_hardneg.training.command import main
from hf_hardneg.training.tracking import tracked_apart


class Config(dict):
    """The config of the run that is open."""

    def __init__(self, wandb):
        self.wandb = wandb

    def update(self, values, allow_val_change):
        self.wandb.runs[-1]["num_negatives"] = values["num_negatives"]


class Wandb(types.ModuleType):
    """What transformers' `WandbCallback` uses of wandb; it records runs and the steps that are logged to them."""

    def __init__(self):
        super().__init__("wandb")
        self.run, self.config, self.runs = None, Config(self), []

    def init(self, project, name=None, group=None):
        import os

        self.run = types.SimpleNamespace(_label=lambda **_: None, name=name, summary={})
        group = group or os.environ.get("WANDB_RUN_GROUP")
        self.runs.append({"name": name, "group": group, "id": os.environ.get("WANDB_RUN_ID"), "steps": []})

    def log(self, values):
        self.runs[-1]["steps"].append(values["train/global_step"])

    def finish(self):
        self.run = None


@pytest.fixture
def wandb(monkeypatch):
    from transformers.integrations import integration_utils

    fake = Wandb()
    error = types.ModuleType("wandb.sdk.lib.config_util")
    error.ConfigError = KeyError
    for name in ("wandb.sdk", "wandb.sdk.lib"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, "wandb", fake)
    monkeypatch.setitem(sys.modules, "wandb.sdk.lib.config_util", error)
    monkeypatch.setattr(integration_utils, "is_wandb_available", lambda: True)
    return fake


def train(start, out, *flags):
    argv = ["demo.yaml", "--model_name_or_path", start, "--output_dir", str(out), "--num_rows", "60"]
    argv += ["--max_steps", "2", "--logging_steps", "1", "--pairs_per_concept", "2", "--held_out_images", "8"]
    main([*argv, "--dataloader_num_workers", "0", "--use_cpu", "true", "--report_to", "wandb", *flags])


def test_a_model_and_its_control_are_two_runs_of_one_group(start, tmp_path, wandb, monkeypatch):
    monkeypatch.setenv("WANDB_RUN_ID", "mine")
    train(start, tmp_path / "cats")
    control, model = wandb.runs
    assert (control["name"], model["name"]) == ("cats-control", "cats")
    assert control["group"] == model["group"] == "cats" and (control["id"], model["id"]) == (None, "mine")
    assert (control["num_negatives"], model["num_negatives"]) == (0, 3)
    assert all(run["steps"] == sorted(run["steps"]) and run["steps"][0] == 1 for run in wandb.runs)


def test_a_training_without_control_is_the_run_that_the_user_named(start, tmp_path, wandb):
    train(start, tmp_path / "cats", "--control", "false", "--run_name", "mine")
    assert [(run["name"], run["group"]) for run in wandb.runs] == [("mine", None)]


def test_a_folder_for_tensorboard_gets_a_subfolder_and_the_environment_comes_back(monkeypatch, tmp_path):
    import os

    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB_RUN_GROUP", "mine")
    before = dict(os.environ)
    with tracked_apart("group", "control"):
        assert os.environ["TENSORBOARD_LOGGING_DIR"] == str(tmp_path / "control")
        assert os.environ["WANDB_RUN_GROUP"] == "mine"
    with tracked_apart("group"):
        assert os.environ["TENSORBOARD_LOGGING_DIR"] == str(tmp_path)
    assert dict(os.environ) == before
