"""Export pairs: write a dataset folder with InpaintCOCO's columns, its card, a contact sheet and its counts."""

import hashlib
import io
import json
import os
import random
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm.auto import tqdm

from ...atomic_folder import new_folder, require_name
from ...columns import CHALLENGE_FEATURES
from ...data.parquet_rows import write_rows
from ..journal import IMAGES
from ..review.contact_sheet import Cell, mark_change, save_sheet
from .export_card import CARD, DATA_FILE, EXPORT_JSON, MADE_BY, SHEET, build_export_card, summarize_export
from .selected_pairs import JournalContents, SelectedPair, read_journal_contents, select_pairs


SCRIPT = Path(__file__).parent / "templates" / "inpaintcoco.py"
# `datasets` refuses a folder NAME that contains NAME.py, so the script lies under scripts/.
ENTRIES = (CARD, DATA_FILE.split("/")[0], SHEET, "scripts")
SHEET_PAIRS = 40
COCO_SITE = "cocodataset.org"
TEXT_LICENSE = "Creative Commons Attribution 4.0 License"  # of COCO's captions, https://cocodataset.org/#termsofuse


def _image(images: Mapping[str, bytes], digest: str) -> dict[str, Any]:
    return {"bytes": images[digest], "path": f"{digest}.png"}


def pair_row(pair: SelectedPair, contents: JournalContents, images: Mapping[str, bytes]) -> dict[str, Any]:
    """Return the row of a pair, with the columns of `columns.CHALLENGE_FEATURES`. Pure.

    Args:
        pair: The pair.
        contents: The journal that holds it.
        images: PNG bytes of the photo, the edit and the mask, by digest.
    """
    candidate, proposal, review = pair.candidate, pair.candidate.proposal, pair.review
    photo = contents.photos.get(proposal.image_id, {})
    source = photo.get("source", {})
    made_with = contents.run.get("made_with", {})
    is_from_coco = COCO_SITE in source.get("coco_url", "")
    mask = np.array(Image.open(io.BytesIO(images[candidate.mask])).convert("L")) > 127
    prompts = [*(one.details.get("prompt") for one in pair.item.candidates), *contents.prompts.get(proposal.key, ())]
    seed = candidate.details.get("seed", contents.run.get("seed"))
    # Only a mask model was given a prompt: the name of the category.
    mask_prompt = proposal.category if "masks" in made_with else None

    return {
        "concept": proposal.concept,
        "coco_caption": proposal.caption,
        "coco_image": _image(images, pair.item.photo),
        "inpaint_caption": pair.caption,
        "inpaint_image": _image(images, candidate.image),
        "mask": _image(images, candidate.mask),
        "worker": review.worker if review else "",
        "coco_details": {
            "captions": list(photo.get("captions", [])),
            **{name: source.get(name) for name in ("coco_url", "date_captured", "flickr_url", "image_license")},
            "height": photo.get("height"),
            "id": proposal.image_id,
            "text_license": TEXT_LICENSE if is_from_coco else None,
            "width": photo.get("width"),
        },
        "inpaint_details": {
            "duration": None if review is None or review.seconds is None else round(review.seconds),
            "guidance_scale": candidate.details.get("guidance_scale"),
            "num_inference_steps": candidate.details.get("num_inference_steps"),
            "prompt": candidate.details.get("prompt", candidate.prompt),
            "prompts_used": list(dict.fromkeys(prompt for prompt in prompts if prompt)),
            "quality": review.quality if review else None,
            "editor": made_with.get("editor"),
            "model": candidate.details.get("model"),
            # The candidate's own seed, or that of the run if the editor has none.
            "seed": seed if isinstance(seed, int) and 0 <= seed < 2**64 else None,
            "key": proposal.key,
            "old": proposal.old,
            "new": proposal.new,
            "source_image_id": candidate.details.get("source_image_id"),
            "details": json.dumps(candidate.details, sort_keys=True),
        },
        "mask_details": {
            # Sub-fields of InpaintCOCO, whose masks could be enlarged.
            **dict.fromkeys(("height_factor", "width_factor")),
            "prompt": mask_prompt,
            "prompts_used": [mask_prompt] if mask_prompt else [],
            "threshold": made_with.get("mask_threshold"),
            "source": made_with.get("masks", "instances"),
            "area": float(mask.mean()),
            "category": proposal.category,
            "instance_id": proposal.instance_id,
        },
    }


def _digests(pair: SelectedPair) -> tuple[str, str, str]:
    return pair.item.photo, pair.candidate.image, pair.candidate.mask


def _read_images(folder: Path, pair: SelectedPair) -> dict[str, bytes]:
    """Return the pair's PNG files by digest, and check each against its digest."""
    images = {digest: (folder / IMAGES / f"{digest}.png").read_bytes() for digest in _digests(pair)}
    for digest, content in images.items():
        if hashlib.sha256(content).hexdigest() != digest:
            raise ValueError(
                f"{folder / IMAGES / digest}.png of {pair.candidate.proposal.key} is damaged: its content does not "
                "match its name; bring it back from a copy, or build anew in another folder."
            )
    return images


def outside_difference(images: Mapping[str, bytes], photo: str, edit: str, mask: str) -> int:
    """Return the largest absolute difference, 0 to 255, between photo and edit where the mask is black.

    Args:
        images: PNG bytes by digest.
        photo: Digest of the photo.
        edit: Digest of the edited photo.
        mask: Digest of the mask.
    """
    before, after, inside = (np.array(Image.open(io.BytesIO(images[one]))) for one in (photo, edit, mask))
    return int(np.abs(before.astype(np.int16) - after)[inside == 0].max(initial=0))


def _rows(
    folder: Path, pairs: Sequence[SelectedPair], contents: JournalContents, differences: list[int]
) -> Iterator[dict[str, Any]]:
    """Yield the rows one by one, and append the difference outside the mask of each to `differences`."""
    for pair in tqdm(pairs, desc="Writing pairs", disable=None):
        images = _read_images(folder, pair)
        differences.append(outside_difference(images, *_digests(pair)))
        yield pair_row(pair, contents, images)


def _check_images(folder: Path, pairs: Sequence[SelectedPair]) -> None:
    for pair in pairs:
        for digest in _digests(pair):
            if not (folder / IMAGES / f"{digest}.png").is_file():
                raise ValueError(
                    f"{folder / IMAGES / digest}.png, an image of {pair.candidate.proposal.key}, is missing; bring it "
                    "back from a copy, or build anew in another folder."
                )


def _draw_sheet(folder: Path, pairs: Sequence[SelectedPair], file: Path) -> None:
    drawn = random.Random(0).sample(pairs, min(SHEET_PAIRS, len(pairs)))
    cells = [
        Cell(
            p.candidate.proposal.key,
            p.item.photo,
            p.candidate.image,
            *mark_change(p.candidate.proposal.caption, p.caption),
        )
        for p in drawn
    ]
    save_sheet(cells, folder, file)


def export_pairs(
    folder: str | Path, out: str | Path, *, unreviewed: bool = False, location: str | None = None
) -> dict[str, Any]:
    """Write a dataset folder that `load_dataset` opens: data/, README.md, contact_sheet.png, export.json, scripts/.

    The same journal gives the same bytes. If the export is killed, `out` is as before or complete.

    Args:
        folder: The journal's folder.
        out: A new folder, an empty one, or an earlier export, which is replaced.
        unreviewed: Export all pairs that passed the gates, although nobody looked at them.
        location: The name that the card passes to `load_dataset`. None means the name of `out`.

    Returns:
        The content of export.json, of `summarize_export`.

    Raises:
        ValueError: If the journal is empty, unfinished, lacks an image or has no accepted pair, or if `out` holds
            other files.
        OSError: If `out` cannot be written.

    Example:
        >>> export_pairs("pairs", "inpaintcoco", unreviewed=True)["by_concept"]  # doctest: +SKIP
        {'color': 45, 'object': 4, 'size': 3}
    """
    require_name(out, "--out")
    folder, out = Path(folder), Path(os.path.realpath(out))
    contents = read_journal_contents(folder)
    pairs, left_out = select_pairs(contents, unreviewed)
    if not pairs:
        reasons = ", ".join(f"{reason} {count}" for reason, count in left_out.most_common()) or "no pair was made"
        raise ValueError(
            f"{folder} has no accepted pair ({reasons}); review it (hf-hardneg inpaint review {folder}), or take what "
            "passed the gates with --unreviewed."
        )
    _check_images(folder, pairs)
    summary: dict[str, Any] = {"made_by": MADE_BY, "location": location or out.name}
    summary |= summarize_export(contents, pairs, left_out, reviewed=not unreviewed)
    with new_folder(out, EXPORT_JSON, ENTRIES) as part:
        (part / DATA_FILE).parent.mkdir()
        differences: list[int] = []
        write_rows(part / DATA_FILE, _rows(folder, pairs, contents, differences), CHALLENGE_FEATURES)
        summary["outside_difference"] = max(differences)
        _draw_sheet(folder, pairs, part / SHEET)
        (part / "scripts").mkdir()
        shutil.copyfile(SCRIPT, part / "scripts" / SCRIPT.name)
        write_export_card(summary, part)
    return summary


def write_export_card(summary: Mapping[str, Any], folder: Path) -> None:
    """Write README.md and export.json.

    Args:
        summary: The content of export.json. Change its "location" to write the card for another place.
        folder: The dataset folder.
    """
    (folder / CARD).write_text(build_export_card(summary), encoding="utf-8")
    (folder / EXPORT_JSON).write_text(json.dumps(summary, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
