"""The parts of a run, as the `made_with` of its journal names them: to build, and to try again in a review."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ..data.coco_photos import read_coco_photos
from .build import DrawMask, MakeEditor, ReadPhotos, mask_from_instances
from .check.clip_gate import ClipGate
from .check.gates import GATES, Gate
from .edit.classical import ClassicalEditor
from .masks.text_masks import ClipSegMasks, GroundedSamMasks
from .pretrained import EDITOR_FLAGS
from .propose.caption_only_photos import read_named_photos


class Parts(NamedTuple):
    """What reads the folder, makes the editor, draws masks, and the gates, as `build` takes them."""

    read: ReadPhotos
    make_editor: MakeEditor
    draw: DrawMask
    gates: Sequence[Gate]


def find_parts(made_with: Mapping[str, Any]) -> Parts:
    """The parts that `made_with` names; each call loads the models anew.

    Raises:
        ImportError: If an optional package is missing.
        ValueError: If a model cannot be loaded.
    """
    return Parts(_reader(made_with), _editor_maker(made_with), _drawer(made_with), _gates(made_with))


def _editor_maker(made_with: Mapping[str, Any]) -> MakeEditor:
    """What makes the editor that a run's `made_with` names, as `build` and the review take it.

    Raises:
        ImportError: If an optional package is missing.
        ValueError: If the editor's model cannot be loaded.
    """
    if made_with["editor"] == "classical":
        return ClassicalEditor
    from .edit.diffusers_editor import DiffusersEditor

    settings = {name: made_with[name] for name in EDITOR_FLAGS if name in made_with}
    editor = DiffusersEditor(settings.pop("editor_model"), **settings)
    return lambda photos: editor


def _reader(made_with: Mapping[str, Any]) -> ReadPhotos:
    """What reads the folder of a run: with masks by text, captions are all that it needs."""
    return read_named_photos if "masks" in made_with else read_coco_photos


def _drawer(made_with: Mapping[str, Any]) -> DrawMask:
    """What draws the masks of a run.

    Raises:
        ValueError: If a mask model cannot be loaded.
    """
    if "masks" not in made_with:
        return mask_from_instances
    draw: Callable[..., DrawMask] = ClipSegMasks if made_with["masks"] == "clipseg" else GroundedSamMasks
    threshold = {"threshold": made_with["mask_threshold"]} if "mask_threshold" in made_with else {}
    return draw(*made_with["mask_model"], **threshold)


def _gates(made_with: Mapping[str, Any]) -> Sequence[Gate]:
    """The gates of a run: the plain ones and, with a CLIP, that which asks it.

    Raises:
        ValueError: If the CLIP cannot be loaded.
    """
    if "clip" not in made_with:
        return GATES
    return (*GATES, ClipGate(made_with["clip"], prefers_new=made_with["clip_prefers_new"]))
