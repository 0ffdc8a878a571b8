"""Pushes against a server whose faults are injected: complete and verified, or one clear sentence and nothing new."""

import os
import pickle
import random
import re
import signal
import subprocess
import sys
import traceback
from types import SimpleNamespace

import huggingface_hub.constants
import pytest
from helpers.hub_server import Fault, Hub

from hf_hardneg.cli import main as cli
from hf_hardneg.hub.errors import PushError
from hf_hardneg.hub.local_folder import MANIFEST
from hf_hardneg.hub.push import open_repo, publish_folder, sign_in
from hf_hardneg.hub.retries import RetryPolicy
from hf_hardneg.training.arguments import HardNegCLIPTrainingArguments
from hf_hardneg.training.command import main as train
from hf_hardneg.training.recipe import parse_arguments
from hf_hardneg.training.release import prepare_release, publish_run


TOKEN = "hf_0SecretOfAnn0SecretOfAnn0Secret"


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A server that huggingface_hub in this process talks to; waiting takes no time and is written down in `waits`."""
    constants = huggingface_hub.constants
    with Hub() as hub:
        hub.add_token(TOKEN, "ann", orgs=["org"])
        hub.waits = []
        url = {
            "ENDPOINT": hub.url,
            "HUGGINGFACE_CO_URL_TEMPLATE": hub.url + "/{repo_id}/resolve/{revision}/{filename}",
        }
        switches = {"HF_HUB_OFFLINE": False, "HF_HUB_DISABLE_XET": True, "HF_HUB_DISABLE_PROGRESS_BARS": True}
        for name, value in {**url, **switches}.items():
            monkeypatch.setattr(constants, name, value)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        clock = SimpleNamespace(sleep=hub.waits.append, time=lambda: 0.0)
        monkeypatch.setattr("huggingface_hub.utils._http.time", clock)
        monkeypatch.setattr("huggingface_hub.file_download.time", clock)
        yield hub


@pytest.fixture
def folder(tmp_path):
    """A small model folder, with things in it that are not to be published."""
    folder = tmp_path / "my-clip"
    write(
        folder, {"config.json": "{}", "model.safetensors": "w" * 5000, "adapter/adapter_model.safetensors": "a" * 90}
    )
    write(folder, {"README.md": '---\nlicense: mit\n---\nfrom_pretrained("outputs/my-clip")\n'})
    write(folder, {"checkpoint-2/optimizer.pt": "o", "control/model.safetensors": "c", "training_args.bin": "p"})
    return folder


def write(folder, files):
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


def push(hub, folder, repo_id="org/my-clip", repo_type="model", **options):
    return publish_folder(folder, repo_id, repo_type, sleep=hub.waits.append, **options)


def faults(*planned):
    """Each (method, part of the path, fault, times) happens to the first requests that it fits."""
    left = [[method, part, fault, times] for method, part, fault, times in planned]

    def find(method, path):
        for plan in left:
            if plan[3] and method == plan[0] and plan[1] in path:
                plan[3] -= 1
                return plan[2]
        return None

    return find


def contents(repo, revision="main"):
    return {path: blob.data for path, blob in repo.find(revision).files.items() if path != ".gitattributes"}


def assert_whole(repo, folder, paths):
    """The repo's main holds these files as they are in the folder, and the manifest, and nothing else."""
    there = contents(repo)
    assert set(there) == {*paths, MANIFEST}
    assert all(there[path] == (folder / path).read_bytes() for path in paths if path != "README.md")


WANTED = {"config.json", "model.safetensors", "adapter/adapter_model.safetensors", "README.md"}


def test_one_commit_holds_all_and_the_same_again_makes_none(hub, folder):
    done = push(hub, folder, tag="v1")
    repo = hub.repos["model", "org/my-clip"]
    assert done.created and done.commit == repo.branches["main"] == repo.tags["v1"] and len(repo.commits) == 2
    assert_whole(repo, folder, WANTED)
    assert b'from_pretrained("org/my-clip")' in contents(repo)["README.md"]
    assert set(done.left_out) == {"checkpoint-2/optimizer.pt", "control/model.safetensors", "training_args.bin"}
    assert "read back and equal by SHA-256" in str(done) and str(done).endswith(
        "Left out: checkpoint-2, control, training_args.bin"
    )
    again = push(hub, folder, tag="v1")
    assert not again.created and again.commit == done.commit and len(repo.commits) == 2
    assert "were there already" in str(again)


def test_only_what_was_published_formerly_is_deleted(hub, folder):
    write(folder, {"old.txt": "old"})
    push(hub, folder)
    repo = hub.repos["model", "org/my-clip"]
    files = dict(repo.find("main").files)
    repo.commit("main", "by hand", {**files, "logo.svg": files["config.json"]})
    (folder / "old.txt").unlink()
    push(hub, folder)
    assert set(contents(repo)) == {*WANTED, MANIFEST, "logo.svg"}


def test_more_files_than_one_page_of_the_listing(hub, folder):
    write(folder, {f"parts/{i}.txt": str(i) for i in range(60)})
    push(hub, folder)
    assert not push(hub, folder).created
    (folder / "parts" / "7.txt").unlink()
    assert push(hub, folder).created and "parts/7.txt" not in contents(hub.repos["model", "org/my-clip"])


@pytest.mark.parametrize(("private", "seen"), [(True, True), (False, False), (None, False)])
def test_a_new_repo_is_private_by_choice_and_public_only_when_all_is_there(hub, folder, private, seen):
    states = []

    def watch(method, path):
        states.append([(repo.private, len(repo.commits)) for repo in hub.repos.values()])

    hub.find_fault = watch
    push(hub, folder, private=private)
    assert hub.repos["model", "org/my-clip"].private is seen
    if private is False:
        assert all(hidden or commits == 2 for state in states for hidden, commits in state)


def test_private_is_refused_where_the_repo_is_public(hub, folder):
    hub.add_repo("model", "org/my-clip")
    with pytest.raises(PushError, match="is public, and private was asked for"):
        push(hub, folder, private=True)
    assert len(hub.repos["model", "org/my-clip"].commits) == 1


def test_a_tag_is_never_moved(hub, folder):
    push(hub, folder, tag="v1")
    write(folder, {"config.json": '{"a": 1}'})
    with pytest.raises(PushError, match="tag v1 .* is at commit .* choose a new tag"):
        push(hub, folder, tag="v1")
    repo = hub.repos["model", "org/my-clip"]
    assert len(repo.commits) == 2
    push(hub, folder, tag="v2")
    assert repo.tags["v1"] != repo.tags["v2"] == repo.branches["main"]


@pytest.mark.parametrize("fault", [Fault("status", 500), Fault("status", 503), Fault("drop"), Fault("lose")])
@pytest.mark.parametrize(
    "where", ["/whoami", "/repos/create", "/commit/", "/validate-yaml", "/refs", "/tag/", "/lfs-data"]
)
def test_faults_that_pass_are_waited_for_and_nothing_is_done_twice(hub, folder, where, fault):
    methods = {"/whoami": "GET", "/refs": "GET", "/lfs-data": "GET"}
    hub.find_fault = faults((methods.get(where, "POST"), where, fault, 2))
    done = push(hub, folder, tag="v1")
    repo = hub.repos["model", "org/my-clip"]
    assert done.created and len(repo.commits) == 2 and repo.tags == {"v1": done.commit}
    assert_whole(repo, folder, WANTED)
    assert hub.waits


def test_retry_after_is_heeded_up_to_a_bound(hub, folder):
    hub.find_fault = faults(("POST", "/commit/", Fault("status", 429, "37"), 2))
    push(hub, folder)
    assert hub.waits.count(37.0) == 2
    write(folder, {"config.json": '{"a": 1}'})
    hub.find_fault = faults(("POST", "/commit/", Fault("status", 429, "3600"), 2))
    with pytest.raises(PushError, match="could not be reached, or not long enough.*status 429.*Run it again"):
        push(hub, folder)
    assert 3600.0 not in hub.waits and len(hub.repos["model", "org/my-clip"].commits) == 2


def test_an_outage_ends_with_one_sentence_and_is_not_waited_for_forever(hub, folder):
    hub.find_fault = lambda method, path: Fault("status", 503) if "/commit/" in path else None
    with pytest.raises(PushError, match="could not be reached.*goes on where it was"):
        push(hub, folder)
    assert 300 < sum(hub.waits) <= 600 and len(hub.repos["model", "org/my-clip"].commits) == 1


def test_somebody_elses_commit_in_between_is_kept(hub, folder):
    repo = hub.add_repo("model", "org/my-clip")

    def meddle(method, path):
        if "/commit/" in path and "notes.txt" not in repo.find("main").files:
            files = dict(repo.find("main").files)
            repo.commit("main", "by hand", {**files, "notes.txt": files[".gitattributes"]})

    hub.find_fault = meddle
    push(hub, folder)
    assert set(contents(repo)) == {*WANTED, MANIFEST, "notes.txt"} and len(repo.commits) == 3


def test_a_slow_answer_is_waited_for(hub, folder):
    hub.find_fault = faults(("POST", "/commit/", Fault("slow", 0.3), 1))
    assert push(hub, folder).created


READER = "hf_0SecretOfBob0SecretOfBob0Secret"


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
        ("org/a/b", TOKEN, "'org/a/b' is not the name of a repo; write owner/name"),
        ("org/odd", TOKEN, "name of the model org/odd is taken"),
    ],
)
def test_what_does_not_pass_gets_one_sentence_and_leaves_nothing(hub, folder, repo_id, token, said):
    hub.add_token(READER, "bob", role="read")
    hub.add_repo("model", "bob/taken")
    hub.add_repo("model", "bob/hidden", private=True)
    hub.add_repo("model", "bob/gated", gated=True)
    if repo_id == "org/odd":
        hub.find_fault = lambda method, path: Fault("status", 409) if "/preupload" in path else None
    before = {key: len(repo.commits) for key, repo in hub.repos.items()}
    with pytest.raises(PushError, match=said) as caught:
        push(hub, folder, repo_id, token=token)
    assert "\n" not in str(caught.value) and token not in "".join(traceback.format_exception(caught.value))
    hub.repos.pop(("model", "org/odd"), None)  # the server made it before it told that the name is taken
    assert before == {key: len(repo.commits) for key, repo in hub.repos.items()} and not hub.waits


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
    assert len(repo.commits) == 1
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(PushError, match="HF_HUB_OFFLINE is set. Unset it"):
        push(hub, folder)
    monkeypatch.setattr("hf_hardneg.hub.push.get_token", lambda: None)
    with pytest.raises(PushError, match="There is no token to push with: log in with `hf auth login`"):
        push(hub, folder)


def test_a_file_that_holds_the_token_is_not_published(hub, folder):
    write(folder, {"notes.txt": "x" * 3_000_000 + TOKEN})
    with pytest.raises(ValueError, match="notes.txt holds your token: take it out first") as caught:
        push(hub, folder)
    assert TOKEN not in str(caught.value) and not hub.repos


def test_what_the_hub_or_datasets_would_not_take_is_said_before_anything_is_committed(hub, folder):
    write(folder, {"README.md": "---\nlicense: [\n---\n"})
    with pytest.raises(PushError, match=r"did not take the model org/my-clip .*the metadata is not a YAML mapping"):
        push(hub, folder)
    assert len(hub.repos["model", "org/my-clip"].commits) == 1
    write(folder, {"README.md": "", "data.py": ""})
    with pytest.raises(ValueError, match=r"refuses a repo with a data.py at its root: move it into a folder"):
        push(hub, folder, "org/data", "dataset")


def test_a_wrong_byte_on_the_hub_is_found(hub, folder):
    def corrupt(method, path):
        for oid in hub.objects if "/lfs-data" in path else ():
            hub.objects[oid] = hub.objects[oid][:-1] + b"!"

    hub.find_fault = corrupt
    with pytest.raises(PushError, match=r"does not hold what was sent: 2 files differ, .*safetensors"):
        push(hub, folder)


KILLED = "import sys; from hf_hardneg.cli import main; main(['push', sys.argv[1], 'org/my-clip'])"


@pytest.mark.parametrize(("where", "carried_out"), [("/lfs-upload", 0), ("/commit/", 0), ("/commit/", 1)])
def test_a_killed_push_goes_on_when_it_is_run_again(hub, folder, tmp_path, where, carried_out):
    hub.find_fault = lambda method, path: Fault("hang", carried_out) if where in path else None
    own = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0"}
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(folder)], env={**os.environ, **own})
    assert hub.reached.wait(60)
    repo = hub.repos["model", "org/my-clip"]
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(repo.commits) == 1
    hub.find_fault = lambda method, path: None
    hub.release.set()
    done = push(hub, folder)
    assert len(repo.commits) == 2 and done.commit == repo.branches["main"]
    assert_whole(repo, folder, WANTED)


def test_the_command_says_what_it_did_and_tells_types_apart(hub, folder, tmp_path, capsys):
    cli(["push", str(folder), "org/my-clip", "--private"])
    assert "read back and equal by SHA-256" in capsys.readouterr().out
    write(tmp_path / "unknown", {"notes.txt": ""})
    with pytest.raises(
        SystemExit, match=r"error: The type of .*unknown is not clear.*say --type model, dataset or space"
    ):
        cli(["push", str(tmp_path / "unknown"), "org/x"])
    with pytest.raises(SystemExit, match="error: There is no folder"):
        cli(["push", str(tmp_path / "nowhere"), "org/x", "--type", "model"])
    assert list(hub.repos) == [("model", "org/my-clip")]


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


class Killed(BaseException):
    """The process ends here; no `except` of the code under test may catch it."""


def chaos(rng, hub):
    """Faults of one push: passing ones now and then, an outage from some request on, a kill while waiting."""
    regime = rng.choice(["passing", "passing", "passing", "outage", "killed"])
    requests, begin = [], rng.randrange(40)
    kinds = [Fault("status", 500), Fault("status", 503), Fault("status", 429, "5"), Fault("drop"), Fault("lose")]
    kinds += [Fault("truncate"), Fault("slow", 0.002)]
    outage = rng.choice([Fault("status", 503), Fault("drop")])

    def find(method, path):
        requests.append(path)
        if regime == "outage":
            return outage if len(requests) > begin else None
        return rng.choice(kinds) if rng.random() < 0.25 else None

    def sleep(seconds):
        hub.waits.append(seconds)
        if regime == "killed" and rng.random() < 0.4:
            raise Killed

    return find, sleep


def test_a_hundred_pushes_under_faults_end_whole_or_leave_nothing(hub, tmp_path, monkeypatch):
    rng = random.Random(7)
    ends = {"verified": 0, "nothing new": 0, "whole, then the Hub was gone": 0, "whole, then killed": 0}
    for i in range(100):
        folder = tmp_path / f"folder{i % 20}"
        repo_id, repo_type = f"org/repo{i % 20}", ("model", "dataset", "space")[i % 3 if i < 20 else (i % 20) % 3]
        names = [name for name in ("a.safetensors", "b.json", "c/d.txt", "e.parquet") if rng.random() < 0.7]
        for old in [path for path in folder.rglob("*") if path.is_file()]:
            old.unlink()
        write(folder, {name: f"{name} {rng.randrange(3)}" for name in [*names, "README.md"]})
        repo = hub.repos.get((repo_type, repo_id))
        before = list(repo.history()) if repo else []
        hub.find_fault, sleep = chaos(rng, hub)
        monkeypatch.setattr("huggingface_hub.utils._http.time", SimpleNamespace(sleep=sleep))
        try:
            done, error = publish_folder(folder, repo_id, repo_type, sleep=sleep, tag=f"v{i}"), None
        except (PushError, Killed) as failure:
            done, error = None, failure
        hub.find_fault = lambda method, path: None
        repo = hub.repos.get((repo_type, repo_id))
        new = len(list(repo.history())) - max(1, len(before)) if repo else 0
        assert new in (0, 1)
        whole = repo and {*names, "README.md", MANIFEST} == set(contents(repo))
        whole = whole and all(contents(repo)[name] == (folder / name).read_bytes() for name in [*names, "README.md"])
        if done:
            assert whole and repo.tags[f"v{i}"] == done.commit and done.created == (new == 1)
            ends["verified"] += 1
        elif new == 0:
            ends["nothing new"] += 1
        else:
            # After the commit was done, its answer or the Hub was lost: whole all the same, and run again, verified.
            assert whole and (
                isinstance(error, Killed) or re.search("is there, whole.*run it again|Run it again", str(error))
            )
            ends[f"whole, then {'killed' if isinstance(error, Killed) else 'the Hub was gone'}"] += 1
        assert error is None or isinstance(error, Killed) or ("\n" not in str(error) and TOKEN not in repr(error))
        again = publish_folder(folder, repo_id, repo_type, sleep=hub.waits.append)
        commits = list(repo.history() if repo else hub.repos[repo_type, repo_id].history())
        assert again.created == (not whole)
        assert all(a.files != b.files for a, b in zip(commits, commits[1:], strict=False)), "a commit was made twice"
    assert sum(ends.values()) == 100 and ends["verified"] > 40 and ends["nothing new"] > 10, ends
    sys.stdout.write(f"{ends}\n")


def test_one_retry_policy_serves_the_whole_push():
    policy = RetryPolicy([].append, seconds=10)

    def fail():
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        policy.call(fail)
    assert policy.seconds == 3  # 1 + 2 + 4 seconds were waited; 8 would be too many
