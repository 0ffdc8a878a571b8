"""What a push publishes, and what it leaves alone."""

import pytest
from helpers.pushes import TOKEN, WANTED, assert_whole, contents, push, write

from hf_hardneg.cli import main as cli
from hf_hardneg.hub.errors import PushError
from hf_hardneg.hub.local_folder import MANIFEST


def test_one_commit_holds_all_and_the_same_again_makes_none(hub, folder):
    done = push(hub, folder, tag="v1")
    repo = hub.repos["model", "org/my-clip"]
    assert done.created and done.commit == repo.branches["main"] == repo.tags["v1"] and len(list(repo.history())) == 2
    assert_whole(repo, folder, WANTED)
    assert b'from_pretrained("org/my-clip")' in contents(repo)["README.md"]
    counts = {"slot_model/slot_model.json", "slot_model/slot_model.npz"}
    at_home = {"checkpoint-2/optimizer.pt", "control/model.safetensors", "training_args.bin"}
    assert set(done.left_out) == at_home | counts
    assert "read back and equal by SHA-256" in str(done) and str(done).endswith(
        "Left out: checkpoint-2, control, slot_model, training_args.bin"
    )
    again = push(hub, folder, tag="v1")
    assert not again.created and again.commit == done.commit and len(list(repo.history())) == 2
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


def test_more_files_than_one_page_of_the_listing_and_a_large_text(hub, folder):
    write(folder, {f"parts/{i}.{'npy' if i % 2 else 'txt'}": str(i) for i in range(60)})
    write(folder, {"notes.txt": "n" * 10_000_001})  # the Hub stores it as LFS, whatever its name
    push(hub, folder)
    repo = hub.repos["model", "org/my-clip"]
    assert repo.find("main").files["notes.txt"].lfs and repo.find("main").files["parts/7.npy"].lfs
    assert not push(hub, folder).created
    (folder / "parts" / "7.npy").unlink()
    assert push(hub, folder).created and "parts/7.npy" not in contents(repo) and len(contents(repo)) == 65


@pytest.mark.parametrize(("private", "seen"), [(True, True), (False, False), (None, False)])
def test_a_new_repo_is_private_by_choice_and_public_only_when_all_is_there(hub, folder, private, seen):
    states = []

    def watch(method, path):
        states.append([(repo.private, len(list(repo.history()))) for repo in hub.repos.values()])

    hub.find_fault = watch
    push(hub, folder, private=private)
    assert hub.repos["model", "org/my-clip"].private is seen
    if private is False:
        assert all(hidden or commits == 2 for state in states for hidden, commits in state)


def test_private_is_refused_where_the_repo_is_public(hub, folder):
    hub.add_repo("model", "org/my-clip")
    with pytest.raises(PushError, match="is public, and private was asked for"):
        push(hub, folder, private=True)
    assert len(list(hub.repos["model", "org/my-clip"].history())) == 1


def test_a_tag_is_never_moved(hub, folder):
    push(hub, folder, tag="v1")
    write(folder, {"config.json": '{"a": 1}'})
    with pytest.raises(PushError, match="tag v1 .* is at commit .* choose a new tag"):
        push(hub, folder, tag="v1")
    repo = hub.repos["model", "org/my-clip"]
    assert len(list(repo.history())) == 2
    push(hub, folder, tag="v2")
    assert repo.tags["v1"] != repo.tags["v2"] == repo.branches["main"]


def test_a_file_that_holds_the_token_is_not_published(hub, folder):
    write(folder, {"notes.txt": "x" * 3_000_000 + TOKEN})
    with pytest.raises(ValueError, match="notes.txt holds your token: take it out first") as caught:
        push(hub, folder)
    assert TOKEN not in str(caught.value) and not hub.repos


def test_what_the_hub_or_datasets_would_not_take_is_said_before_anything_is_committed(hub, folder):
    write(folder, {"README.md": "---\nlicense: [\n---\n"})
    with pytest.raises(PushError, match=r"did not take the model org/my-clip .*the metadata is not a YAML mapping"):
        push(hub, folder)
    assert len(list(hub.repos["model", "org/my-clip"].history())) == 1
    write(folder, {"README.md": "", "data.py": ""})
    with pytest.raises(ValueError, match=r"refuses a repo with a data.py at its root: move it into a folder"):
        push(hub, folder, "org/data", "dataset")


def test_the_command_says_what_it_did_and_tells_types_apart(hub, folder, tmp_path, capsys, caplog):
    cli(["push", str(folder), "org/my-clip", "--private"])
    assert "Uploading 5 files, 0.0 MB, to the branch hf_hardneg-push-" in caplog.text
    assert "read back and equal by SHA-256" in capsys.readouterr().out
    write(tmp_path / "unknown", {"notes.txt": ""})
    with pytest.raises(
        SystemExit, match=r"error: The type of .*unknown is not clear.*say --type model, dataset or space"
    ):
        cli(["push", str(tmp_path / "unknown"), "org/x"])
    with pytest.raises(SystemExit, match="error: There is no folder"):
        cli(["push", str(tmp_path / "nowhere"), "org/x", "--type", "model"])
    assert list(hub.repos) == [("model", "org/my-clip")]
