"""MkDocs calls this while it builds: the reference has the names of the rooms' stubs, which say what is public."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any


ROOT = Path(__file__).parents[2]


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Fill the places of reference.md; other pages stay as they are."""
    if page.file.src_uri != "reference.md":
        return markdown
    top = ", ".join(f"`{name}`" for _, name in sorted(public_names("hf_hardneg"), key=lambda pair: pair[1].lower()))
    return re.sub(r"<!-- names of (\S+) -->", lambda found: explain_names(found[1]), markdown).replace(
        "<!-- names at the top -->", top
    )


def explain_names(room: str) -> str:
    """A directive of mkdocstrings for each public name that is defined in the room itself."""
    return "\n\n".join(f"::: {module}.{name}" for module, name in public_names(room) if not stub_of(module).is_file())


def public_names(room: str) -> Iterator[tuple[str, str]]:
    """The module and the name of everything that a room's stub imports."""
    for node in ast.parse(stub_of(room).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom):
            yield from ((f"{room}.{node.module}", alias.name) for alias in node.names)


def stub_of(room: str) -> Path:
    """Where the stub of a room is; a module that is no room has none."""
    return ROOT.joinpath(*room.split("."), "__init__.pyi")
