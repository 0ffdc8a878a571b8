"""Load the parts of a run (reader, editor, masks, gates) by their names in the journal's `made_with`.

`hf-hardneg inpaint build` and the review page both use it. The rooms load their classes lazily, so that a run imports
only the optional packages that it needs.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ..data.coco_photos import read_coco_photos
from . import check, edit, masks
from .build import DrawMask, MakeEditor, ReadPhotos, mask_from_instances
from .check.gates import GATES, Gate
from .propose.caption_instances import read_photos_from_captions
from .run_settings import EDITOR_OPTIONS


class RunParts(NamedTuple):
    """The parts of a run, as `build_pairs` takes them.

    Attributes:
        read: Reads the photos of a folder.
        make_editor: Makes the editor from the photos.
        draw: Draws the mask of an object.
        gates: Check a candidate.
    """

    read: ReadPhotos
    make_editor: MakeEditor
    draw: DrawMask
    gates: Sequence[Gate]


def load_run_parts(made_with: Mapping[str, Any]) -> RunParts:
    """Load the parts that a run names. Each call loads the models anew.

    Args:
        made_with: Of the journal: "editor" and, if they are used, "editor_model", "masks", "mask_model",
            "mask_threshold", "clip", "clip_prefers_new" and further `EDITOR_OPTIONS`.

    Raises:
        ImportError: If an optional package is missing.
        ValueError: If a model cannot be loaded.
    """
    # Masks found by text need captions only.
    read = read_photos_from_captions if "masks" in made_with else read_coco_photos
    return RunParts(read, _load_editor(made_with), _load_masks(made_with), _load_gates(made_with))


def _load_editor(made_with: Mapping[str, Any]) -> MakeEditor:
    if made_with["editor"] == "classical":
        return edit.ClassicalEditor
    options = {name: made_with[name] for name in EDITOR_OPTIONS if name in made_with}
    editor = edit.DiffusersEditor(options.pop("editor_model"), **options)
    return lambda photos: editor


def _load_masks(made_with: Mapping[str, Any]) -> DrawMask:
    if "masks" not in made_with:
        return mask_from_instances
    make: Callable[..., DrawMask] = masks.ClipSegMasks if made_with["masks"] == "clipseg" else masks.GroundedSamMasks
    threshold = {"threshold": made_with["mask_threshold"]} if "mask_threshold" in made_with else {}
    return make(*made_with["mask_model"], **threshold)


def _load_gates(made_with: Mapping[str, Any]) -> Sequence[Gate]:
    if "clip" not in made_with:
        return GATES
    return (*GATES, check.ClipGate(made_with["clip"], prefers_new=made_with["clip_prefers_new"]))
