"""ID@REVISION names a revision of a Hub repository, and never changes a path."""

import pytest

from hf_hardneg.revisions import check_tag, split_revision


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("org/name@v1.0", ("org/name", "v1.0")),
        ("gpt2@main", ("gpt2", "main")),
        ("org/name@refs/pr/3", ("org/name", "refs/pr/3")),
        ("org/name", ("org/name", None)),
        ("org/name@", ("org/name@", None)),
        ("a/b/c@main", ("a/b/c@main", None)),
        ("https://user@host/name", ("https://user@host/name", None)),
    ],
)
def test_a_revision_stands_after_the_id(source, expected):
    assert split_revision(source) == expected


def test_a_folder_whose_name_holds_an_at_sign_stays_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs@home").mkdir()
    assert split_revision("runs@home") == ("runs@home", None)


@pytest.mark.parametrize("tag", ["v1", "v1.0", "release/2026", "0.1_rc-2", "x" * 100])
def test_a_tag_that_is_taken_can_be_named_as_a_revision(tag):
    assert split_revision(f"org/name@{check_tag(tag)}") == ("org/name", tag)
