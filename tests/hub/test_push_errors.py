"""What no further attempt can cure: one sentence that says what happened and what to do."""

import errno
import ssl
import traceback

import huggingface_hub.constants
import pytest
from helpers.hub_server import Fault
from helpers.pushes import READER, TOKEN, contents, faults, push, write
from huggingface_hub.errors import HfHubHTTPError

from hf_hardneg.cli import main as cli
from hf_hardneg.hub.errors import PushError, explain_error
from hf_hardneg.hub.remote import open_repo, sign_in
from hf_hardneg.hub.retries import is_temporary


@pytest.mark.parametrize(
    ("repo_id", "token", "said"),
    [
        ("org/my-clip", "hf_unknown", r"Hub refused the token \(401\): log in again"),
        ("org/my-clip", "hf_broken\nline", "holds a character that no token has"),
        ("bob/my-clip", READER, "token of bob can only read"),
        ("nobody/my-clip", TOKEN, "ann may not write to the model nobody/my-clip .*choose another name"),
        ("bob/taken", TOKEN, "ann may not write to the model bob/taken"),
        ("bob/hidden", TOKEN, "ann may not write to the model bob/hidden"),
        ("bob/gated", TOKEN, "ann may not write to the model bob/gated"),
        ("org/a/b", TOKEN, "'org/a/b' is not the name of a repo; write OWNER/NAME"),
        ("https://huggingface.co/org/a", TOKEN, "is not the name of a repo; write OWNER/NAME"),
        ("org/a--b", TOKEN, "is not the name of a repo; .* no -- and no"),
    ],
)
def test_what_does_not_pass_gets_one_sentence_and_leaves_nothing(hub, folder, repo_id, token, said):
    hub.add_token(READER, "bob", role="read")
    hub.add_repo("model", "bob/taken")
    hub.add_repo("model", "bob/hidden", private=True)
    hub.add_repo("model", "bob/gated", gated=True)
    before = {key: len(list(repo.history())) for key, repo in hub.repos.items()}
    with pytest.raises(PushError, match=said) as caught:
        push(hub, folder, repo_id, token=token)
    assert "\n" not in str(caught.value) and token not in "".join(traceback.format_exception(caught.value))
    assert before == {key: len(list(repo.history())) for key, repo in hub.repos.items()} and not hub.waits


def test_missing_gated_and_offline_are_told_apart(hub, folder, monkeypatch):
    remote = sign_in("org/my-clip", "model", TOKEN, hub.waits.append)
    hub.find_fault = faults(("POST", "/preupload", Fault("status", 404), 1))
    with pytest.raises(PushError, match="did not take the model org/my-clip"):
        open_repo(remote)
    hub.find_fault = lambda method, path: hub.repos.clear() if "/tree" in path else None
    with pytest.raises(PushError, match="There is no model org/my-clip that ann can see"):
        push(hub, folder)
    repo = hub.add_repo("model", "org/my-clip", gated=True)

    def leave(method, path):
        if "/tree" in path:
            hub.tokens[TOKEN]["orgs"] = []

    hub.find_fault = leave
    with pytest.raises(PushError, match="is gated and ann is not on its list"):
        push(hub, folder)
    assert len(list(repo.history())) == 1
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(PushError, match="HF_HUB_OFFLINE is set. Unset it"):
        push(hub, folder)
    monkeypatch.setattr("hf_hardneg.hub.remote.get_token", lambda: None)
    with pytest.raises(PushError, match="There is no token to push with: log in with `hf auth login`"):
        push(hub, folder)


def test_a_folder_that_is_not_there_is_named_with_its_whole_path(hub, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "model.safetensors").write_text("w")
    for name, said in (
        ("nowhere", f"There is no folder {tmp_path}/nowhere: the folder to push comes first, then OWNER/NAME"),
        ("empty", f"The folder {tmp_path}/empty is empty: there is nothing to push"),
        ("model.safetensors", f"{tmp_path}/model.safetensors is a file: push the folder that holds it"),
    ):
        for options in ([], ["--type", "model"], ["--type", "space"]):
            with pytest.raises(SystemExit, match=f"^error: {said}"):
                cli(["push", name, "org/x", *options])
        with pytest.raises(ValueError, match=said):
            push(hub, name, "org/x")
    assert not hub.requests


# What huggingface.co says, from reports of users.
FULL = "Private repository storage limit reached, please upgrade your plan to increase your private storage limit."
ODD = "Your storage patterns tripped our internal systems! Please contact us so we can unlock more storage."


@pytest.mark.parametrize(
    ("where", "fault", "said"),
    [
        (
            "/lfs/objects/batch",
            Fault("status", 403, said=FULL),
            "has no storage left for it .*storage limit reached.*",
        ),
        (
            "/commit/",
            Fault("status", 403, said=ODD),
            "has no storage left for it .*tripped.* delete what is not needed",
        ),
        ("/commit/", Fault("status", 413, said="Storage quota exceeded"), "has no storage left for it"),
        ("/lfs-upload", Fault("status", 413, said="Request Entity Too Large"), "file of .* too large for the Hub"),
        (
            "/branch/",
            Fault("status", 403, said="no rights"),
            r"ann may not write to the model org/my-clip \(no rights\)",
        ),
        ("/commit/", Fault("status", 409, said="busy"), "Somebody else is changing .*busy.* then push again"),
        ("/tree/", Fault("status", 400, said="odd"), r"did not take the model org/my-clip .*status 400.*odd"),
        (
            "/tree/",
            Fault("status", 403, said="Access to this resource is disabled."),
            "is disabled: its page says why",
        ),
    ],
)
def test_a_refusal_in_the_middle_gives_its_reason_and_says_what_main_shows(hub, folder, where, fault, said):
    repo = hub.add_repo("model", "org/my-clip")
    hub.find_fault = lambda method, path: fault if where in path else None
    with pytest.raises(PushError, match=rf"{said}.* Nothing new is on main\.$"):
        push(hub, folder)
    assert not contents(repo)
    hub.find_fault = lambda method, path: None
    assert push(hub, folder).created and list(repo.branches) == ["main"]


def test_a_full_storage_that_one_file_meets_is_told_too(hub, folder):
    hub.lfs_error = FULL
    with pytest.raises(
        PushError, match=r"has no storage left for it .*storage limit reached.*Nothing new is on main\.$"
    ):
        push(hub, folder)
    assert not contents(hub.repos["model", "org/my-clip"])


def test_a_token_that_may_only_open_pull_requests_is_told_apart_from_a_conflict(hub, folder):
    repo = hub.add_repo("model", "org/my-clip")
    hub.find_fault = lambda method, path: Fault("status", 412) if "/commit/main" in path else None
    with pytest.raises(PushError, match="ann may be one that can only open pull requests.*Nothing new is on main"):
        push(hub, folder)
    assert not contents(repo) and sum(hub.waits) < 30


def test_what_waiting_cannot_cure_is_not_waited_for(hub, folder, monkeypatch):
    for address in ("huggingface.co", "ftp://huggingface.co", "http://huggingface.co:port"):
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", address)
        with pytest.raises(PushError, match="HF_ENDPOINT is no address such as https://huggingface.co"):
            push(hub, folder)
    untrusted = ConnectionError("connect")
    untrusted.__cause__ = ssl.SSLCertVerificationError("[SSL: CERTIFICATE_VERIFY_FAILED] unable to get local issuer")
    assert not is_temporary(untrusted)
    assert "does not trust the certificate" in explain_error(untrusted, "model org/name", "ann")
    assert not hub.waits


def test_errors_of_this_machine_are_not_put_on_the_hub():
    full = OSError(errno.ENOSPC, "No space left on device", "scratch/file")
    assert explain_error(full, "model org/name", "ann") == (
        "Cannot push the model org/name: scratch/file could not be read or written (No space left on device)."
    )
    assert not issubclass(HfHubHTTPError, ConnectionError)


def test_a_file_that_changes_during_the_push_is_never_published(hub, folder):
    def change(method, path):
        if "/commit/hf_hardneg" in path:
            write(folder, {"config.json": '{"later": 1}'})

    hub.find_fault = change
    with pytest.raises(
        PushError, match="config.json changed while it was pushed: push it again. Nothing new is on main"
    ):
        push(hub, folder)
    repo = hub.repos["model", "org/my-clip"]
    assert not contents(repo)
    assert push(hub, folder).created and contents(repo)["config.json"] == b'{"later": 1}'
