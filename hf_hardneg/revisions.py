"""The notation ID@REVISION: which revision of a Hub repository a user names, wherever an id can stand."""

import re
from pathlib import Path


# A repository as the Hub writes it ("name" or "owner/name"), then a branch, a tag or a commit.
_ID_WITH_REVISION = re.compile(r"(?P<id>[\w.-]+(?:/[\w.-]+)?)@(?P<revision>[\w./-]+)")


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
