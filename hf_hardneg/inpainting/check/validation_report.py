"""Validate a whole set: check every row, report counts and figures, and save the rows without a fault."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from datasets import Dataset, Image, Value
from huggingface_hub import DatasetCard, DatasetCardData
from tqdm.auto import tqdm

from ... import __version__
from ...atomic_folder import new_folder
from ...data.inpainted_pairs import image_id_of, open_pairs
from .pair_faults import IMAGES, TOLERATED, Difference, DuplicateFinder, caption_faults, image_faults


TEXTS = ("coco_caption", "inpaint_caption", "concept")
REPORT, CARD, DATA = "validation.json", "README.md", "data"
ROWS = 20  # rows per row group of the clean set: about 25 MB of photos in memory at a time
TEMPLATE = Path(__file__).parent / "templates" / "clean_card.md"

Report = dict[str, Any]
"""The report of a set, as validation.json holds it.

- source, split, rows, clean: the set, its number of rows, and the number of rows without a fault.
- reasons: counts by reason. concepts: rows and clean rows by concept.
- compared, untouched_outside, outside_mean, inside_mean: figures over the pairs that can be compared.
- details: for each row its number, image_id, concept, reasons, and the figures of `Difference` (or null).
"""


def _content(image: Mapping[str, Any] | None) -> bytes:
    """Return the bytes of an image's file, or b"" if there is none."""
    if not image:
        return b""
    if image["bytes"]:
        return image["bytes"]
    return Path(image["path"]).read_bytes() if image["path"] and Path(image["path"]).is_file() else b""


def _check_row(number: int, row: Mapping[str, Any], duplicates: DuplicateFinder) -> dict[str, Any]:
    """Return one entry of a report's details."""
    captions = (row["coco_caption"], row["inpaint_caption"])
    reasons, difference = image_faults({name: row.get(name) for name in IMAGES})
    reasons = caption_faults(row.get("concept"), *captions) + reasons
    photo, edit = (hashlib.sha256(_content(row[name])).digest() for name in IMAGES[:2])
    image_id = image_id_of(row)
    if _content(row["inpaint_image"]):
        reasons += duplicates(photo if image_id is None else image_id, captions, edit)
    figures = {name: round(value, 4) for name, value in difference._asdict().items()} if difference else None
    about = {"row": number, "image_id": image_id, "concept": row.get("concept")}
    return {**about, "reasons": reasons, "difference": figures}


def _is_clean(entry: Mapping[str, Any]) -> bool:
    return TOLERATED.issuperset(entry["reasons"])


def validate_rows(dataset: Dataset) -> list[dict[str, Any]]:
    """Return the entry of each row. Only one row's images are in memory at a time."""
    for name in IMAGES:
        if isinstance(dataset.features.get(name), Image):
            dataset = dataset.cast_column(name, Image(decode=False))
    duplicates = DuplicateFinder()
    rows = tqdm(dataset, desc="Checking pairs", disable=None)
    return [_check_row(number, row, duplicates) for number, row in enumerate(rows)]


def validate_set(source: str, split: str = "test") -> Report:
    """Check every row of a set with InpaintCOCO's columns.

    Args:
        source: Hub id or folder.
        split: Name of the split. InpaintCOCO has only "test".

    Returns:
        The report.

    Raises:
        ValueError: If the set, its split or a column does not exist, or an image column holds no images.

    Example:
        >>> report = validate_set("phiyodr/InpaintCOCO")  # doctest: +SKIP
        >>> report["rows"], report["clean"]  # doctest: +SKIP
    """
    dataset = open_pairs(source, split)
    for name, feature in dataset.features.items():
        if name in IMAGES and not isinstance(feature, Image):
            raise ValueError(f"Column {name!r} of {source} holds {feature}, not images.")
        if name in TEXTS and feature not in (Value("string"), Value("large_string"), Value("null")):
            raise ValueError(f"Column {name!r} of {source} holds {feature}, not texts.")
    details = validate_rows(dataset)
    # Of a folder only its name is reported: the path may be private, and reports are published.
    name = Path(source).resolve().name if Path(source).exists() else source
    return {"source": name, "split": split, **summarize_faults(details), "details": details}


def summarize_faults(details: list[dict[str, Any]]) -> dict[str, Any]:
    """Return counts and mean differences over the entries of a report."""
    concepts: dict[str, Counter[str]] = {}
    for entry in details:
        concepts.setdefault(str(entry["concept"]), Counter()).update(rows=1, clean=_is_clean(entry))
    reasons = Counter(reason for entry in details for reason in entry["reasons"])
    differences = [Difference(**entry["difference"]) for entry in details if entry["difference"]]
    return {
        "rows": len(details),
        "clean": sum(map(_is_clean, details)),
        "reasons": dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0]))),
        "concepts": {name: {"rows": one["rows"], "clean": one["clean"]} for name, one in sorted(concepts.items())},
        "compared": len(differences),
        "untouched_outside": sum(one.outside_max == 0 for one in differences),
        "outside_mean": _mean(one.outside for one in differences),
        "inside_mean": _mean(one.inside for one in differences),
    }


def _mean(values: Iterable[float]) -> float | None:
    values = list(values)
    return round(sum(values) / len(values), 3) if values else None


def format_validation(report: Report) -> str:
    """Format the report as a text table."""
    lines = [f"{report['rows']:,} pairs of {report['source']}, {report['clean']:,} without a fault"]
    lines += [
        f"{count:>7,}  {reason}{' (not held against a pair)' if reason in TOLERATED else ''}"
        for reason, count in report["reasons"].items()
    ]
    lines += ["", f"{'concept':<12}{'pairs':>8}{'clean':>8}"]
    lines += [f"{name:<12}{one['rows']:>8,}{one['clean']:>8,}" for name, one in report["concepts"].items()]
    if report["compared"]:
        lines += [
            "",
            f"Outside the mask the photo is untouched in {report['untouched_outside']:,} of {report['compared']:,} "
            "pairs that can be compared;",
            f"mean absolute difference (of 255): {report['outside_mean']} outside, {report['inside_mean']} inside.",
        ]
    return "\n".join(lines)


def write_validation(report: Report, file: str | Path) -> None:
    """Write the report as JSON.

    Args:
        report: Of `validate_set`.
        file: The .json to write.

    Raises:
        OSError: If the file cannot be written. The message names it.
    """
    try:
        Path(file).write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise OSError(f"{file} could not be written ({error.strerror}); choose another --json.") from error


def save_clean(dataset: Dataset, report: Report, out: str | Path) -> None:
    """Write the rows without a fault as a folder that `load_dataset` opens.

    Args:
        dataset: The validated set, of `data.inpainted_pairs.open_pairs`. All its columns are kept.
        report: Of `validate_set`.
        out: A new folder, an empty one, or an earlier result, which is replaced.

    Raises:
        ValueError: If no row is clean, or `out` holds other files.
        OSError: If `out` cannot be written.
    """
    if not report["clean"]:
        reasons = ", ".join(f"{reason} {count}" for reason, count in report["reasons"].items()) or "there is no row"
        raise ValueError(f"No row of {report['source']} is without a fault ({reasons}); nothing is saved in {out}.")
    rows = dataset.select([entry["row"] for entry in report["details"] if _is_clean(entry)])
    split = report["split"]
    with new_folder(out, REPORT, (CARD, DATA)) as part:
        (part / DATA).mkdir()
        rows.to_parquet(part / DATA / f"{split}-00000-of-00001.parquet", batch_size=ROWS)
        card = DatasetCard.from_template(
            DatasetCardData(tags=["hf_hardneg"]),  # without "configs", as `build_export_card` explains
            template_path=str(TEMPLATE),
            report=report,
            table=format_validation(report),
            location=Path(out).resolve().name,
            version=__version__,
        )
        (part / CARD).write_text(str(card), encoding="utf-8")
        write_validation(report, part / REPORT)
