"""`--push_to_hub` of the training command."""

import pickle

import pytest
from helpers.pushes import READER, TOKEN

from hf_hardneg.hub.errors import PushError
from hf_hardneg.training.arguments import HardNegCLIPTrainingArguments
from hf_hardneg.training.command import main as train
from hf_hardneg.training.recipe import parse_arguments
from hf_hardneg.training.release import prepare_release, publish_run


def training(tmp_path, **options):
    options = {
        "output_dir": str(tmp_path / "out"),
        "push_to_hub": True,
        "use_cpu": True,
        "report_to": "none",
        **options,
    }
    return HardNegCLIPTrainingArguments(**options)


def test_a_training_run_learns_before_it_starts_whether_it_can_push(hub, tmp_path, monkeypatch):
    args = training(tmp_path, hub_model_id="my-clip", save_strategy="steps", hub_private_repo=False)
    prepare_release(args)
    repo = hub.repos["model", "ann/my-clip"]
    assert args.hub_model_id == "ann/my-clip" and list(repo.branches) == ["main", "checkpoints"] and repo.private
    prepare_release(args)
    assert args.hub_private_repo is None, "only a new repo becomes public by it"
    with pytest.raises(ValueError, match="hub_revision is main, which holds releases only"):
        prepare_release(training(tmp_path, hub_model_id="my-clip", save_strategy="steps", hub_revision="main"))
    hub.add_token(READER, "bob", role="read")
    monkeypatch.setenv("HF_TOKEN", READER)
    with pytest.raises(SystemExit, match="error: The token of bob can only read"):
        train(["--push_to_hub", "--hub_model_id", "bob/my-clip", "--output_dir", str(tmp_path / "out")])
    assert not list((tmp_path / "out").iterdir())


def test_a_release_that_fails_says_how_to_push_later(hub, folder):
    args = training(folder.parent, output_dir=str(folder), hub_model_id="org/my-clip", hub_token="hf_unknown")
    with pytest.raises(PushError, match=r"refused the token .* push it later: hf-hardneg push .*my-clip org/my-clip"):
        publish_run(args)


def test_the_token_is_in_no_pickle_and_no_recipe(tmp_path):
    args = training(tmp_path, hub_token=TOKEN)
    assert TOKEN.encode() not in pickle.dumps(args) and args.hub_token == TOKEN and TOKEN not in repr(args)
    (tmp_path / "mine.yaml").write_text(f"hub_token: {TOKEN}\n")
    with pytest.raises(ValueError, match="holds a hub_token; keep it out of files") as caught:
        parse_arguments([str(tmp_path / "mine.yaml")])
    assert TOKEN not in str(caught.value)
