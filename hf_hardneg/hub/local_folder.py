"""A folder that is to be published: which of its files, what they hash to, and how they differ from the Hub's."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import RepoCard


TYPES = ("model", "dataset", "space")
CARD = "README.md"
# Lists what we published, so that what is gone from the folder later can be told from what others put there. Loaders
# of datasets pass over names that start with a dot.
MANIFEST = ".hf_hardneg.json"
# Trainer's checkpoints and logs, the control's weights (its results are in the card), and pickles: only safetensors
# leave this house.
NOT_OF_A_MODEL = ("checkpoint-*/**/*", "control/**/*", "runs/**/*", "**/*.bin", "**/*.pt", "**/*.pth", "**/*.pkl")
CHUNK = 1 << 20


@dataclass(frozen=True)
class LocalFile:
    """A file to publish: where its bytes are, and what the Hub calls them."""

    source: Path | bytes
    size: int
    sha256: str
    git_oid: str

    def is_at(self, remote: Any) -> bool:
        """Whether `remote` (huggingface_hub's RepoFile, or None) holds the same bytes."""
        if remote is None:
            return False
        if remote.lfs:
            return bool(remote.lfs.sha256 == self.sha256)
        return bool(remote.blob_id == self.git_oid)


def digest(source: Path | bytes, secret: bytes = b"") -> LocalFile:
    """Hash a file in one pass, as Git and as LFS do.

    Raises:
        ValueError: If it holds the secret.
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
    return RepoCard.load(folder / CARD, ignore_metadata_errors=False).data.to_dict()


def detect_type(folder: Path) -> str:
    """Tell what a folder holds: a Space says its sdk or has an app.py, a model has weights, a dataset data files.

    Raises:
        ValueError: If it holds none of them, or several.
    """
    if "sdk" in _card_metadata(folder) or (folder / "app.py").is_file():
        return "space"
    is_model = (folder / "config.json").is_file() and any(folder.glob("*.safetensors"))
    is_dataset = any(folder.glob("*.parquet")) or any(folder.glob("*/*.parquet"))
    if is_model == is_dataset:
        found = (
            "both weights and data" if is_model else "no config.json with *.safetensors, no *.parquet and no app.py"
        )
        raise ValueError(f"What {folder} is cannot be told ({found}): say --type model, dataset or space.")
    return "model" if is_model else "dataset"


def space_sdk(folder: Path) -> str:
    """The sdk of a Space: what its card says, else gradio for an app.py and static without one."""
    return str(_card_metadata(folder).get("sdk") or ("gradio" if (folder / "app.py").is_file() else "static"))


def address_card(card: str, folder: str, repo_id: str) -> str:
    """Let the code in a card load from where it is published instead of the local folder.

    Args:
        card: Markdown; calls of from_pretrained, load_dataset and evaluate.load are looked at.
        folder: Name of the folder; a path or id that ends in it is replaced.
        repo_id: Where the folder goes.

    Examples:
        >>> address_card('load_dataset("outputs/negatives", split="train")', "negatives", "org/coco-negatives")
        'load_dataset("org/coco-negatives", split="train")'
    """
    call = rf'((?:from_pretrained|load_dataset|evaluate\.load)\(")(?:[^"\n]*/)?{re.escape(folder)}/?"'
    return re.sub(call, lambda match: f'{match[1]}{repo_id}"', card)


def read_folder(folder: Path, repo_type: str, repo_id: str, token: str) -> tuple[dict[str, LocalFile], list[str]]:
    """Files to publish by their path, the manifest of them included, and the paths that are left out.

    Left out is what is hidden or a cache and, of a model, `NOT_OF_A_MODEL`.

    Raises:
        ValueError: If there is no such folder, nothing in it, a file holds the token, or a script is where
            `load_dataset` would stumble over it.
    """
    if not folder.is_dir():
        raise ValueError(f"There is no folder {folder}.")
    skipped = NOT_OF_A_MODEL if repo_type == "model" else ()
    unwanted = {path for pattern in skipped for path in folder.glob(pattern)}
    files, left_out = {}, []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        inside = path.relative_to(folder)
        if path in unwanted or any(part.startswith(".") or part == "__pycache__" for part in inside.parts):
            left_out.append(inside.as_posix())
            continue
        source: Path | bytes = path
        if inside.as_posix() == CARD:
            card = path.read_text(encoding="utf-8")
            source = address_card(card, folder.resolve().name, repo_id).encode()
        files[inside.as_posix()] = digest(source, token.encode())
    script = f"{repo_id.split('/')[-1]}.py"
    if repo_type == "dataset" and script in files:
        raise ValueError(
            f"datasets loads no repo with a {script} at its root: move it into a folder, such as scripts/."
        )
    if not files:
        raise ValueError(f"There is no file to publish in {folder}.")
    manifest = json.dumps({"published with hf_hardneg": sorted(files)}, indent=1) + "\n"
    return {**files, MANIFEST: digest(manifest.encode())}, left_out


def read_manifest(content: bytes) -> list[str]:
    """The paths that a manifest lists; none if it is not one."""
    try:
        listed = json.loads(content)["published with hf_hardneg"]
    except (ValueError, KeyError, TypeError):
        return []
    return [str(path) for path in listed]


def plan_changes(
    files: Mapping[str, LocalFile], remote: Mapping[str, Any], formerly: Iterable[str]
) -> tuple[list[str], list[str]]:
    """Paths to add because they are new or differ, and paths to delete: published formerly, gone now."""
    add = [path for path, file in files.items() if not file.is_at(remote.get(path))]
    return add, [path for path in formerly if path in remote and path not in files]
