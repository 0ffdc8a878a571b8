"""A push to the tests' server, its faults, and what the repo holds afterwards."""

import os

from hf_hardneg.hub.local_folder import MANIFEST
from hf_hardneg.hub.push import publish_folder


TOKEN = "hf_0SecretOfAnn0SecretOfAnn0Secret"
READER = "hf_0SecretOfBob0SecretOfBob0Secret"


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


def fresh_environment(hub, home, **more):
    """The variables of a new process that knows nothing but the server, the token and an empty cache."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "XDG"))}
    own = {"HF_ENDPOINT": hub.url, "HF_HOME": str(home), "HF_TOKEN": TOKEN, "HF_HUB_DISABLE_XET": "1"}
    return {**kept, **own, **more}
