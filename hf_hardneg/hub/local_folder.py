"""The folder to publish: which of its files are published, their hashes, and how they differ from the Hub's."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import RepoCard

from ..user_errors import naming


REPO_TYPES = ("model", "dataset", "space")
CARD = "README.md"
# Lists the files of the last push. A file in it that the folder has lost is deleted on the Hub; files that others put
# there stay. `load_dataset` ignores names that start with a dot.
MANIFEST = ".hf_hardneg.json"
# Of a model these stay at home: Trainer's checkpoints and logs, the control's weights (its results are in the card),
# the slot model of a stream, which only a resumed training needs, and pickled weights, which can run code when they
# are loaded.
UNPUBLISHED_MODEL_FILES = (
    "checkpoint-*/**/*",
    "checkpoint-*.incomplete",
    "control/**/*",
    "runs/**/*",
    "slot_model/**/*",
    "**/*.bin",
    "**/*.pt",
    "**/*.pth",
    "**/*.pkl",
)
CHUNK = 1 << 20  # bytes that are hashed at a time


@dataclass(frozen=True)
class LocalFile:
    """A file to publish.

    Attributes:
        source: Its path, or its bytes.
        size: In bytes.
        sha256: The hash that the Hub stores for large files (LFS), hexadecimal.
        git_oid: The hash that Git gives the file, hexadecimal.
    """

    source: Path | bytes
    size: int
    sha256: str
    git_oid: str

    def equals(self, remote: Any) -> bool:
        """Whether a file on the Hub (huggingface_hub's RepoFile, or None) holds the same bytes."""
        if remote is None:
            return False
        if remote.lfs:
            return bool(remote.lfs.sha256 == self.sha256)
        return bool(remote.blob_id == self.git_oid)


def hash_file(source: Path | bytes, secret: bytes = b"") -> LocalFile:
    """Hash a file in one pass, as Git and as LFS do.

    Args:
        source: A path, or the bytes themselves.
        secret: Bytes that must not be published, such as a token; empty for none.

    Raises:
        ValueError: If the file holds the secret.

    Examples:
        >>> hash_file(b"hello").git_oid
        'b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0'
    """
    size = len(source) if isinstance(source, bytes) else source.stat().st_size
    sha256, git, before = hashlib.sha256(), hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False), b""
    for chunk in _chunks(source):
        sha256.update(chunk)
        git.update(chunk)
        if secret and secret in before + chunk:
            raise ValueError(f"{source if isinstance(source, Path) else CARD} holds your token: take it out first.")
        before = chunk[-len(secret) :] if secret else b""
    return LocalFile(source, size, sha256.hexdigest(), git.hexdigest())


def _chunks(source: Path | bytes) -> Iterable[bytes]:
    if isinstance(source, bytes):
        yield source
        return
    with source.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def _card_metadata(folder: Path) -> dict[str, Any]:
    if not (folder / CARD).is_file():
        return {}
    with naming(folder / CARD):
        return RepoCard.load(folder / CARD, ignore_metadata_errors=False).data.to_dict()


def check_folder(folder: Path) -> None:
    """Check that there is a folder with something in it, all of which are files and folders.

    Raises:
        ValueError: If there is not, with the absolute path that was looked for; or if something in it is a link to a
            folder or to nothing, or a pipe: it would be missing on the Hub.
    """
    if folder.is_file():
        raise ValueError(f"{folder.absolute()} is a file: push the folder that holds it.")
    if not folder.is_dir():
        raise ValueError(f"There is no folder {folder.absolute()}: the folder to push comes first, then OWNER/NAME.")
    if not any(folder.iterdir()):
        raise ValueError(f"The folder {folder.absolute()} is empty: there is nothing to push.")
    for path in folder.rglob("*"):
        is_folder = path.is_dir() and not path.is_symlink()
        if not is_folder and not path.is_file() and not _is_hidden(path.relative_to(folder)):
            raise ValueError(
                f"{path.absolute()} is no file but a link to a folder or to nothing, or a pipe, and would be missing "
                "on the Hub: put the files themselves there, or remove it."
            )


def _is_hidden(inside: Path) -> bool:
    """Whether a path in the folder is hidden or a cache, which is never published."""
    return any(part.startswith(".") or part == "__pycache__" for part in inside.parts)


def detect_type(folder: Path) -> str:
    """Tell the repo type of a folder.

    A Space has an sdk in its card or an app.py. A model has a config.json and safetensors. A dataset has Parquet
    files.

    Returns:
        "model", "dataset" or "space".

    Raises:
        ValueError: If there is no such folder, or it fits none of them, or both a model and a dataset.
    """
    check_folder(folder)
    if "sdk" in _card_metadata(folder) or (folder / "app.py").is_file():
        return "space"
    is_model = (folder / "config.json").is_file() and any(folder.glob("*.safetensors"))
    is_dataset = any(folder.glob("*.parquet")) or any(folder.glob("*/*.parquet"))
    if is_model == is_dataset:
        content = (
            "it has both weights and data"
            if is_model
            else "it has no config.json with *.safetensors, no *.parquet and no app.py"
        )
        raise ValueError(
            f"The type of {folder.absolute()} is not clear ({content}): say --type model, dataset or space."
        )
    return "model" if is_model else "dataset"


def space_sdk(folder: Path) -> str:
    """The sdk of a Space: the card's, or without one "gradio" if there is an app.py, else "static"."""
    return str(_card_metadata(folder).get("sdk") or ("gradio" if (folder / "app.py").is_file() else "static"))


def metric_module(folder: Path) -> Path | None:
    """The module of a folder that holds a metric for `evaluate`: the only Python file, which describes a metric."""
    scripts = list(folder.glob("*.py"))
    if len(scripts) == 1 and "evaluate.MetricInfo(" in scripts[0].read_text(encoding="utf-8"):
        return scripts[0]
    return None


def address_card(card: str, folder: str, repo_id: str) -> str:
    """Make the code in a card load from the Hub instead of the local folder.

    Args:
        card: Markdown. Calls of from_pretrained, load_dataset, evaluate.load and pipeline are changed.
        folder: The name of the folder; a path or id that ends in it is replaced.
        repo_id: The id on the Hub, "owner/name".

    Examples:
        >>> address_card('load_dataset("outputs/negatives", split="train")', "negatives", "org/coco-negatives")
        'load_dataset("org/coco-negatives", split="train")'
    """
    calls = r"(?:from_pretrained|load_dataset|evaluate\.load)\(|pipeline\([^()\n]*model="
    call = rf'((?:{calls})")(?:[^"\n]*/)?{re.escape(folder)}/?"'
    return re.sub(call, lambda match: f'{match[1]}{repo_id}"', card)


def read_folder(folder: Path, repo_type: str, repo_id: str, token: str) -> tuple[dict[str, LocalFile], list[str]]:
    """Collect the files to publish.

    Hidden files and caches are left out, and of a model also `UNPUBLISHED_MODEL_FILES`.

    Args:
        folder: The folder to publish.
        repo_type: "model", "dataset" or "space".
        repo_id: "owner/name"; the card's code is made to load it.
        token: The token of the push, which no file may hold.

    A metric's module is published under the name of the repo, since `evaluate.load` looks for it there.

    Returns:
        The files by their path in the repo, with the manifest among them, and the paths that are left out.

    Raises:
        ValueError: If there is no such folder, it has no file, or a file holds the token. Also if a dataset has a
            script named like its repo at the root: `load_dataset` refuses such a repo.
    """
    check_folder(folder)
    skipped = UNPUBLISHED_MODEL_FILES if repo_type == "model" else ()
    unwanted = {path for pattern in skipped for path in folder.glob(pattern)}
    metric = metric_module(folder) if repo_type == "space" else None
    files, left_out = {}, []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        inside = path.relative_to(folder)
        if path in unwanted or _is_hidden(inside):
            left_out.append(inside.as_posix())
            continue
        source: Path | bytes = path
        if inside.as_posix() == CARD:
            with naming(path):
                card = path.read_text(encoding="utf-8")
            source = address_card(card, folder.resolve().name, repo_id).encode()
        published = f"{repo_id.split('/')[-1]}.py" if path == metric else inside.as_posix()
        files[published] = hash_file(source, token.encode())
    script = f"{repo_id.split('/')[-1]}.py"
    if repo_type == "dataset" and script in files:
        raise ValueError(
            f"`load_dataset` refuses a repo with a {script} at its root: move it into a folder, such as scripts/."
        )
    if not files:
        raise ValueError(f"There is no file to publish in {folder.absolute()}.")
    manifest = json.dumps({"published with hf_hardneg": sorted(files)}, indent=1) + "\n"
    return {**files, MANIFEST: hash_file(manifest.encode())}, left_out


def read_manifest(content: bytes) -> list[str]:
    """The paths that a manifest lists; an empty list if the bytes are no manifest.

    Examples:
        >>> read_manifest(b'{"published with hf_hardneg": ["README.md"]}'), read_manifest(b"other")
        (['README.md'], [])
    """
    try:
        listed = json.loads(content)["published with hf_hardneg"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return []
    return [str(path) for path in listed]


def plan_changes(
    files: Mapping[str, LocalFile], remote: Mapping[str, Any], published_before: Iterable[str]
) -> tuple[list[str], list[str]]:
    """List the paths to add and the paths to delete.

    Args:
        files: The files to publish, by path.
        remote: The files on the Hub (huggingface_hub's RepoFile), by path.
        published_before: The paths that the last push's manifest lists.

    Returns:
        The paths that are new or differ, and the paths that were published before and are gone from the folder.
    """
    add = [path for path, file in files.items() if not file.equals(remote.get(path))]
    return add, [path for path in published_before if path in remote and path not in files]
