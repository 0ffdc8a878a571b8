"""Faults of the Hub, kills and other people, while a push is under way: main shows all of it or nothing new."""

import itertools
import os
import re
import signal
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest
from helpers.hub_server import Fault
from helpers.pushes import TOKEN, WANTED, assert_whole, contents, faults, push, write

from hf_hardneg.hub.errors import PushError
from hf_hardneg.hub.local_folder import MANIFEST
from hf_hardneg.hub.main_commit import BRANCH_PREFIX
from hf_hardneg.hub.push import publish_folder
from hf_hardneg.hub.retries import RetryPolicy


@pytest.mark.parametrize("fault", [Fault("status", 500), Fault("status", 503), Fault("drop"), Fault("lose")])
@pytest.mark.parametrize(
    "where", ["/whoami", "/repos/create", "/branch/", "/commit/hf_", "/commit/main", "/refs", "/tag/", "/lfs-data"]
)
def test_faults_that_pass_are_waited_for_and_nothing_is_done_twice(hub, folder, where, fault):
    methods = {"/whoami": "GET", "/refs": "GET", "/lfs-data": "GET"}
    hub.find_fault = faults((methods.get(where, "POST"), where, fault, 2))
    done = push(hub, folder, tag="v1")
    repo = hub.repos["model", "org/my-clip"]
    assert done.created and len(list(repo.history())) == 2 and repo.tags == {"v1": done.commit}
    assert_whole(repo, folder, WANTED)
    assert hub.waits and list(repo.branches) == ["main"]


def test_retry_after_is_heeded_up_to_a_bound(hub, folder):
    hub.find_fault = faults(("POST", "/commit/", Fault("status", 429, "37"), 2))
    push(hub, folder)
    assert hub.waits.count(37.0) == 2
    write(folder, {"config.json": '{"a": 1}'})
    hub.find_fault = faults(("POST", "/commit/", Fault("status", 429, "3600"), 2))
    with pytest.raises(PushError, match="could not be reached, or not long enough.*status 429.*Run it again"):
        push(hub, folder)
    assert 3600.0 not in hub.waits and len(list(hub.repos["model", "org/my-clip"].history())) == 2


def test_an_outage_ends_with_one_sentence_and_is_not_waited_for_forever(hub, folder):
    hub.find_fault = lambda method, path: Fault("status", 503) if "/commit/" in path else None
    with pytest.raises(PushError, match="could not be reached.*goes on where it was"):
        push(hub, folder)
    assert 300 < sum(hub.waits) <= 600 and len(list(hub.repos["model", "org/my-clip"].history())) == 1


def test_somebody_elses_commit_in_between_is_kept(hub, folder):
    repo = hub.add_repo("model", "org/my-clip")

    def meddle(method, path):
        if "/commit/" in path and "notes.txt" not in repo.find("main").files:
            files = dict(repo.find("main").files)
            repo.commit("main", "by hand", {**files, "notes.txt": files[".gitattributes"]})

    hub.find_fault = meddle
    push(hub, folder)
    assert set(contents(repo)) == {*WANTED, MANIFEST, "notes.txt"} and len(list(repo.history())) == 3


def test_a_slow_answer_is_waited_for(hub, folder):
    hub.find_fault = faults(("POST", "/commit/", Fault("slow", 0.3), 1))
    assert push(hub, folder).created


def test_a_wrong_byte_on_the_hub_is_found_before_main_shows_it(hub, folder):
    def corrupt(method, path):
        for oid in hub.objects if "/lfs-data" in path else ():
            hub.objects[oid] = hub.objects[oid][:-1] + b"!"

    hub.find_fault = corrupt
    with pytest.raises(PushError, match=r"does not hold what was sent: 2 files differ, .*safetensors"):
        push(hub, folder)
    repo = hub.repos["model", "org/my-clip"]
    assert not contents(repo) and list(repo.branches) == ["main"]


KILLED = "import sys; from hf_hardneg.cli import main; main(['push', sys.argv[1], 'org/my-clip'])"


@pytest.mark.parametrize(
    ("where", "carried_out"), [("/lfs-upload", 0), ("/commit/hf_", 1), ("/commit/main", 0), ("/commit/main", 1)]
)
def test_a_killed_push_goes_on_when_it_is_run_again(hub, folder, tmp_path, where, carried_out):
    hub.find_fault = lambda method, path: Fault("hang", carried_out) if where in path else None
    own = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0"}
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(folder)], env={**os.environ, **own})
    assert hub.reached.wait(60)
    repo = hub.repos["model", "org/my-clip"]
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(list(repo.history())) == 1
    hub.find_fault = lambda method, path: None
    hub.release.set()
    done = push(hub, folder)
    assert len(list(repo.history())) == 2 and done.commit == repo.branches["main"]
    assert_whole(repo, folder, WANTED)


class Killed(BaseException):
    """The process ends here; no `except` of the code under test may catch it."""


# What happens to one request, or to it and all that follow: nothing is done, or all is done and the answer is lost.
KINDS = [Fault("status", 500), Fault("status", 429, "5"), Fault("drop"), Fault("lose"), Fault("truncate")]
REGIMES = ("passing", "outage", "killed")
# Each kind of request of a push, so that the test can say that none was spared.
REQUESTS = ["/whoami", "/create", "/preupload", "/refs", "/tree/", "/branch/", "/validate-yaml", "/lfs/objects/batch"]
REQUESTS += [
    "/lfs-upload",
    "/lfs-verify",
    "/commit/hf_",
    "/resolve/",
    "/lfs-data",
    "/paths-info",
    "/commit/main",
    "/tag/",
]


def plan_fault(hub, nth, fault, regime):
    """The fault hits the nth request; returns also how to wait, and the paths that were hit."""
    count, hit = itertools.count(), []

    def find(method, path):
        number = next(count)
        if number == nth or (regime == "outage" and number > nth):
            hit.append(f"{path} {method}")
            return fault
        return None

    def sleep(seconds):
        hub.waits.append(seconds)
        if regime == "killed":
            raise Killed

    return find, sleep, hit


def test_a_hundred_pushes_under_faults_end_whole_or_leave_nothing_and_the_next_one_is_whole(
    hub, tmp_path, monkeypatch
):
    ends, hits = {"whole": 0, "nothing new": 0}, []
    for i in range(100):
        folder, address = tmp_path / f"folder{i // 4}", ("model", f"org/repo{i // 4}")
        write(folder, {"a.safetensors": f"weights {i}", "README.md": f"card {i}", f"only{i}.txt": ""})
        (folder / f"only{i - 1}.txt").unlink(missing_ok=True)
        repo = hub.repos.get(address)
        before, commits = (contents(repo), len(list(repo.history()))) if repo else ({}, 1)
        # The first push of a repo has about 45 requests, the others have 35.
        hub.find_fault, sleep, hit = plan_fault(hub, i * 7 % 41, KINDS[i % 5], REGIMES[i // 5 % 3])
        monkeypatch.setattr("huggingface_hub.utils._http.time", SimpleNamespace(sleep=sleep))
        error = None
        try:
            publish_folder(folder, address[1], "model", sleep=sleep, tag=f"v{i}")
        except (PushError, Killed) as failure:
            error = failure
        hits += hit[:1]
        hub.find_fault = lambda method, path: None
        monkeypatch.setattr("huggingface_hub.utils._http.time", SimpleNamespace(sleep=hub.waits.append))
        there = contents(hub.repos[address]) if address in hub.repos else {}
        wanted = {path.name: path.read_bytes() for path in folder.iterdir()}
        is_whole = there == {**wanted, MANIFEST: there.get(MANIFEST)}
        assert is_whole or there == before, f"push {i} left something between"
        ends["whole" if is_whole else "nothing new"] += 1
        if isinstance(error, PushError):
            expected = (
                "is on main, whole|all of it or nothing new" if is_whole else "Nothing new is on main|Run it again"
            )
            assert re.search(expected, str(error)) and "\n" not in str(error) and TOKEN not in repr(error)
        else:
            assert is_whole or error
        again = publish_folder(folder, address[1], "model", sleep=hub.waits.append, tag=f"v{i}")
        repo = hub.repos[address]
        assert again.created == (not is_whole) and contents(repo) == {**wanted, MANIFEST: contents(repo)[MANIFEST]}
        assert len(list(repo.history())) == commits + 1, "a commit was made twice"
        assert list(repo.branches) == ["main"] and repo.tags[f"v{i}"] == again.commit == repo.branches["main"]
    assert sum(ends.values()) == 100 and min(ends.values()) > 10, ends
    assert not [kind for kind in REQUESTS if not any(kind in path for path in hits)]


def test_two_pushes_at_the_same_time_end_with_one_of_them_whole(hub, tmp_path):
    repo = hub.add_repo("model", "org/both")
    for attempt in range(5):
        folders = [tmp_path / f"{name}{attempt}" for name in ("one", "two")]
        for folder in folders:
            write(folder, {"a.safetensors": folder.name, "b.json": folder.name, f"{folder.name}.txt": ""})
        errors = []

        def publish(folder, errors=errors):
            try:
                push(hub, folder, "org/both")
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=publish, args=(folder,)) for folder in folders]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        there = contents(repo)
        assert not errors and list(repo.branches) == ["main"]
        assert there["a.safetensors"] == there["b.json"] and f"{there['b.json'].decode()}.txt" in there
        assert [path for path in there if path.endswith(".txt")] == [f"{there['b.json'].decode()}.txt"]


def test_the_same_folder_pushed_twice_at_once_makes_one_commit(hub, folder):
    repo = hub.add_repo("model", "org/my-clip")
    done = []
    threads = [threading.Thread(target=lambda: done.append(push(hub, folder))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 2 and len({result.commit for result in done}) == 1
    assert len(list(repo.history())) == 2 and list(repo.branches) == ["main"]


def test_a_branch_of_a_killed_push_is_deleted_by_the_next_one_and_others_stay(hub, folder):
    repo = hub.add_repo("model", "org/my-clip")
    repo.branches |= {f"{BRANCH_PREFIX}0123456789ab": repo.branches["main"], "checkpoints": repo.branches["main"]}
    push(hub, folder)
    assert list(repo.branches) == ["main", "checkpoints"]


def test_a_branch_that_cannot_be_deleted_is_named_and_the_push_is_done(hub, folder, caplog):
    hub.find_fault = lambda method, path: Fault("status", 403, said="no") if method == "DELETE" else None
    assert push(hub, folder).created
    assert "could not be deleted (status 403). It is not needed" in caplog.text


def test_weights_are_uploaded_once_although_two_commits_name_them(hub, folder):
    push(hub, folder)
    uploads = [path for method, path, *_ in hub.requests if "/lfs-upload" in path]
    reads = [path for method, path, *_ in hub.requests if "/lfs-data" in path and method == "GET"]
    assert len(uploads) == len(set(uploads)) == 2 and len(reads) == len(set(reads)) == 2


def test_one_retry_policy_serves_the_whole_push():
    policy = RetryPolicy([].append, seconds=10)

    def fail():
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        policy.call(fail)
    assert policy.seconds == 3  # 1 + 2 + 4 seconds were waited; 8 would be too many
