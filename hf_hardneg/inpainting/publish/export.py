"""`hf-hardneg inpaint export`: from a journal to a dataset folder with InpaintCOCO's columns and its card."""

import hashlib
import io
import json
import random
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from datasets import Features
from PIL import Image
from pyarrow import parquet
from tqdm.auto import tqdm

from ...atomic_folder import new_folder
from ...columns import CHALLENGE_FEATURES
from ..journal import IMAGES
from ..review.contact_sheet import Cell, mark_change, save_sheet
from .export_card import CARD, DATA_FILE, MADE_BY, RECORD, SHEET, build_card, summarize_export
from .record import Pair, Record, read_record, select_pairs


SCRIPT = Path(__file__).parent / "templates" / "inpaintcoco.py"
# `datasets` refuses a folder NAME that holds NAME.py; under scripts/ the builder's own script does not disturb it.
ENTRIES = (CARD, DATA_FILE.split("/")[0], SHEET, "scripts")
ROWS = 20  # a row group: some 25 MB of photos in memory at a time, and what has to be read to see one row
SHEET_PAIRS = 40
COCO_SITE = "cocodataset.org"
TEXT_LICENSE = "Creative Commons Attribution 4.0 License"  # of COCO's annotations, https://cocodataset.org/#termsofuse


def pair_row(pair: Pair, record: Record, images: Mapping[str, bytes]) -> dict[str, Any]:
    """One row with the columns of `columns.CHALLENGE_FEATURES`; pure.

    Args:
        pair: What it shows.
        record: The journal it is from.
        images: PNG bytes by digest, of the photo, the edit and the mask.
    """
    made, proposal, review = pair.made, pair.made.proposal, pair.review
    photo = record.photos.get(proposal.image_id, {})
    source = photo.get("source", {})
    made_with = record.run.get("made_with", {})
    of_coco = COCO_SITE in source.get("coco_url", "")
    mask = np.array(Image.open(io.BytesIO(images[made.mask])).convert("L")) > 127
    tried = [*(one.details.get("prompt") for one in pair.item.made), *record.prompts.get(proposal.key, ())]
    seed = made.details.get("seed", record.run.get("seed"))
    # Masks that are not the annotated ones were asked for by the name of the thing.
    asked = proposal.category if "masks" in made_with else None

    def image(digest: str) -> dict[str, Any]:
        return {"bytes": images[digest], "path": f"{digest}.png"}

    return {
        "concept": proposal.concept,
        "coco_caption": proposal.caption,
        "coco_image": image(pair.item.photo),
        "inpaint_caption": pair.caption,
        "inpaint_image": image(made.image),
        "mask": image(made.mask),
        "worker": review.worker if review else "",
        "coco_details": {
            "captions": list(photo.get("captions", [])),
            **{name: source.get(name) for name in ("coco_url", "date_captured", "flickr_url", "image_license")},
            "height": photo.get("height"),
            "id": proposal.image_id,
            "text_license": TEXT_LICENSE if of_coco else None,
            "width": photo.get("width"),
        },
        "inpaint_details": {
            "duration": None if review is None or review.seconds is None else round(review.seconds),
            "guidance_scale": made.details.get("guidance_scale"),
            "num_inference_steps": made.details.get("num_inference_steps"),
            "prompt": made.details.get("prompt", made.prompt),
            "prompts_used": list(dict.fromkeys(prompt for prompt in tried if prompt)),
            "quality": review.quality if review else None,
            "editor": made_with.get("editor"),
            "model": made.details.get("model"),
            # Of the candidate where its editor draws anything, else of the run.
            "seed": seed if isinstance(seed, int) and 0 <= seed < 2**64 else None,
            "key": proposal.key,
            "old": proposal.old,
            "new": proposal.new,
            "source_image_id": made.details.get("source_image_id"),
            "details": json.dumps(made.details, sort_keys=True),
        },
        "mask_details": {
            **dict.fromkeys(("height_factor", "width_factor")),  # masks of the original could be made to grow
            "prompt": asked,
            "prompts_used": [asked] if asked else [],
            "threshold": made_with.get("mask_threshold"),
            "source": made_with.get("masks", "instances"),
            "area": float(mask.mean()),
            "category": proposal.category,
            "instance_id": proposal.instance_id,
        },
    }


def write_rows(file: Path, rows: Iterable[Mapping[str, Any]], features: Features, group: int = ROWS) -> int:
    """Write rows as Parquet that `datasets` reads with `features`, `group` of them in memory; return how many."""
    rows, number = iter(rows), 0
    schema = features.arrow_schema
    # Images are compressed already, and looking for equal ones costs memory.
    with parquet.ParquetWriter(file, schema, compression="none", use_dictionary=False) as writer:
        while batch := list(islice(rows, group)):
            writer.write_table(pa.Table.from_pylist(batch, schema=schema))
            number += len(batch)
    return number


def _digests(pair: Pair) -> tuple[str, str, str]:
    return pair.item.photo, pair.made.image, pair.made.mask


def _read_images(folder: Path, pair: Pair) -> dict[str, bytes]:
    """The pair's PNG files by digest, each checked against its name."""
    images = {digest: (folder / IMAGES / f"{digest}.png").read_bytes() for digest in _digests(pair)}
    for digest, content in images.items():
        if hashlib.sha256(content).hexdigest() != digest:
            raise ValueError(
                f"{folder / IMAGES / digest}.png of {pair.made.proposal.key} is damaged: its content is not the one "
                "that its name says; bring it back from a copy, or build anew in another folder."
            )
    return images


def outside_difference(images: Mapping[str, bytes], photo: str, edit: str, mask: str) -> int:
    """Largest absolute difference, 0 to 255, between photo and edit where the mask is black.

    Args:
        images: PNG bytes by digest.
        photo: Digest of the photo.
        edit: Digest of the edited photo.
        mask: Digest of the mask.
    """
    before, after, inside = (np.array(Image.open(io.BytesIO(images[one]))) for one in (photo, edit, mask))
    return int(np.abs(before.astype(np.int16) - after)[inside == 0].max(initial=0))


def _rows(folder: Path, pairs: Sequence[Pair], record: Record, differences: list[int]) -> Iterator[dict[str, Any]]:
    """Rows one by one; `differences` gets each pair's largest one outside its mask."""
    for pair in tqdm(pairs, desc="Writing pairs", disable=None):
        images = _read_images(folder, pair)
        differences.append(outside_difference(images, *_digests(pair)))
        yield pair_row(pair, record, images)


def _check_images(folder: Path, pairs: Sequence[Pair]) -> None:
    for pair in pairs:
        for digest in _digests(pair):
            if not (folder / IMAGES / f"{digest}.png").is_file():
                raise ValueError(
                    f"{folder / IMAGES / digest}.png, an image of {pair.made.proposal.key}, is missing; bring it back "
                    "from a copy, or build anew in another folder."
                )


def _draw_sheet(folder: Path, pairs: Sequence[Pair], file: Path) -> None:
    drawn = random.Random(0).sample(pairs, min(SHEET_PAIRS, len(pairs)))
    cells = [
        Cell(p.made.proposal.key, p.item.photo, p.made.image, *mark_change(p.made.proposal.caption, p.caption))
        for p in drawn
    ]
    save_sheet(cells, folder, file)


def export_pairs(
    folder: str | Path, out: str | Path, *, unreviewed: bool = False, location: str | None = None
) -> dict[str, Any]:
    """Write a dataset folder that `load_dataset` opens: data/, README.md, contact_sheet.png, export.json, scripts/.

    The same journal gives the same bytes. Killed at any moment, `out` is whole or as it was.

    Args:
        folder: The journal's.
        out: New, empty, or an earlier export, which is replaced.
        unreviewed: Take all pairs that passed the gates, although nobody looked.
        location: What the card tells to load; default the name of `out`.

    Returns:
        What export.json holds: see `export_card.summarize_export`.

    Raises:
        ValueError: If the journal is empty, unfinished, lacks an image or has no accepted pair, or `out` holds
            something else.
        OSError: If `out` cannot be written.
    """
    folder, out = Path(folder), Path(out)
    record = read_record(folder)
    pairs, left_out = select_pairs(record, unreviewed)
    if not pairs:
        reasons = ", ".join(f"{reason} {count}" for reason, count in left_out.most_common()) or "no pair was made"
        raise ValueError(
            f"{folder} has no accepted pair ({reasons}); review it (hf-hardneg inpaint review {folder}), or take what "
            "passed the gates with --unreviewed."
        )
    _check_images(folder, pairs)
    summary: dict[str, Any] = {"made_by": MADE_BY, "location": location or out.resolve().name}
    summary |= summarize_export(record, pairs, left_out, reviewed=not unreviewed)
    with new_folder(out, RECORD, ENTRIES) as part:
        (part / DATA_FILE).parent.mkdir()
        differences: list[int] = []
        write_rows(part / DATA_FILE, _rows(folder, pairs, record, differences), CHALLENGE_FEATURES)
        summary["outside_difference"] = max(differences)
        _draw_sheet(folder, pairs, part / SHEET)
        (part / "scripts").mkdir()
        shutil.copyfile(SCRIPT, part / "scripts" / SCRIPT.name)
        write_card(summary, part)
    return summary


def write_card(summary: Mapping[str, Any], folder: Path) -> None:
    """Write README.md, and export.json, from which it can be written again for another location."""
    (folder / CARD).write_text(build_card(summary), encoding="utf-8")
    (folder / RECORD).write_text(json.dumps(summary, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
