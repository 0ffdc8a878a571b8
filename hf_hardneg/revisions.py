"""Revisions of Hub repositories: the notation ID@REVISION, and which names a tag may have."""

import re
from pathlib import Path


# A repository as the Hub writes it ("name" or "owner/name"), then a branch, a tag or a commit.
_ID_WITH_REVISION = re.compile(r"(?P<id>[\w.-]+(?:/[\w.-]+)?)@(?P<revision>[\w./-]+)")
_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}")
# Git refuses the first four at these places. The others would be a branch or a commit to whoever loads the tag.
_NO_TAG = re.compile(r"\.\.|//|/\.|(\.lock|\.|/)(/|$)|^(main|HEAD|refs/.*|[0-9a-f]{40})$")


def split_revision(source: str | Path) -> tuple[str, str | None]:
    """Return the id or path of a source, and the revision after its "@", if it has one.

    A path that exists is a path, whatever its name holds.

    Args:
        source: A local path, a Hub id, or a Hub id with a revision (ID@REVISION).

    Examples:
        >>> split_revision("openai/clip-vit-base-patch32@refs/pr/21")
        ('openai/clip-vit-base-patch32', 'refs/pr/21')
        >>> split_revision("org/inpaintcoco")
        ('org/inpaintcoco', None)
    """
    text = str(source)
    found = _ID_WITH_REVISION.fullmatch(text)
    if found is None or Path(text).exists():
        return text, None
    return found["id"], found["revision"]


def check_tag(tag: str) -> str:
    """Return the name of a tag if Git and the Hub can take it, and `split_revision` can find it again.

    Raises:
        ValueError: If they cannot. The message says what a tag may hold.

    Examples:
        >>> check_tag("v1.0")
        'v1.0'
    """
    if not _TAG.fullmatch(tag) or _NO_TAG.search(tag):
        raise ValueError(
            f"The tag {tag[:100]!r} cannot be the name of a tag. A tag has 1 to 100 letters, digits, dots, hyphens, "
            "underscores and slashes, such as v1.0. It begins with a letter or digit, has no two dots or slashes in a "
            "row, does not end in a dot, a slash or .lock, and is not main, HEAD, refs/... or a commit."
        )
    return tag
