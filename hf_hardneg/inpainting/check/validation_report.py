"""`hf-hardneg inpaint validate`: every row of a set through the checks; counts, figures, and a clean selection."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datasets import Dataset, Image
from huggingface_hub import DatasetCard, DatasetCardData
from tqdm.auto import tqdm

from ... import __version__
from ...atomic_folder import new_folder
from ...data.inpainted_pairs import image_id_of, open_pairs
from .pair_checks import IMAGES, TOLERATED, Difference, Doubles, caption_reasons, image_reasons


REPORT, CARD, DATA = "validation.json", "README.md", "data"
ROWS = 20  # a row group of the clean set: some 25 MB of photos in memory at a time
TEMPLATE = Path(__file__).parent / "templates" / "clean_card.md"

Report = dict[str, Any]
"""source, split, rows, clean; reasons: reason -> count; concepts: rows and clean rows by concept; outside: counts;
details: for each row its number, image_id, concept, reasons and the figures of `validate.Difference`, or null."""


def _content(image: Mapping[str, Any] | None) -> bytes:
    """An image's file; b"" where there is none."""
    if not image:
        return b""
    if image["bytes"]:
        return image["bytes"]
    return Path(image["path"]).read_bytes() if image["path"] and Path(image["path"]).is_file() else b""


def _check_row(number: int, row: Mapping[str, Any], doubles: Doubles) -> dict[str, Any]:
    """One entry of a report's details."""
    captions = (row["coco_caption"], row["inpaint_caption"])
    reasons, found = image_reasons({name: row.get(name) for name in IMAGES})
    reasons = caption_reasons(row.get("concept"), *captions) + reasons
    photo, edit = (hashlib.sha256(_content(row[name])).digest() for name in IMAGES[:2])
    image_id = image_id_of(row)
    if _content(row["inpaint_image"]):
        reasons += doubles(photo if image_id is None else image_id, captions, edit)
    figures = {name: round(value, 4) for name, value in found._asdict().items()} if found else None
    about = {"row": number, "image_id": image_id, "concept": row.get("concept")}
    return {**about, "reasons": reasons, "difference": figures}


def _is_clean(entry: Mapping[str, Any]) -> bool:
    return TOLERATED.issuperset(entry["reasons"])


def validate_rows(dataset: Dataset) -> list[dict[str, Any]]:
    """The entry of each row; looks at one row at a time and keeps no image."""
    for name in IMAGES:
        if isinstance(dataset.features.get(name), Image):
            dataset = dataset.cast_column(name, Image(decode=False))
    doubles = Doubles()
    rows = tqdm(dataset, desc="Checking pairs", disable=None)
    return [_check_row(number, row, doubles) for number, row in enumerate(rows)]


def validate_set(source: str, split: str = "test") -> Report:
    """Check every row of a set.

    Args:
        source: Hub id or folder.
        split: The original has "test" only.

    Raises:
        ValueError: If the set, its split or its columns are not there, or a column does not hold images.
    """
    dataset = open_pairs(source, split)
    for name in ("coco_image", "inpaint_image"):
        if not isinstance(dataset.features[name], Image):
            raise ValueError(f"Column {name!r} of {source} holds {dataset.features[name]}, not images.")
    details = validate_rows(dataset)
    # Of a folder the name only: what lies above it is nobody's business where the report is published.
    name = Path(source).resolve().name if Path(source).exists() else source
    return {"source": name, "split": split, **summarize(details), "details": details}


def summarize(details: list[dict[str, Any]]) -> dict[str, Any]:
    """Counts over the entries of a report."""
    concepts: dict[str, Counter[str]] = {}
    for entry in details:
        concepts.setdefault(str(entry["concept"]), Counter()).update(rows=1, clean=_is_clean(entry))
    reasons = Counter(reason for entry in details for reason in entry["reasons"])
    outside = [Difference(**entry["difference"]) for entry in details if entry["difference"]]
    return {
        "rows": len(details),
        "clean": sum(map(_is_clean, details)),
        "reasons": dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0]))),
        "concepts": {name: {"rows": one["rows"], "clean": one["clean"]} for name, one in sorted(concepts.items())},
        "compared": len(outside),
        "untouched_outside": sum(one.outside_max == 0 for one in outside),
        "outside_mean": round(sum(one.outside for one in outside) / len(outside), 3) if outside else None,
        "inside_mean": round(sum(one.inside for one in outside) / len(outside), 3) if outside else None,
    }


def format_report(report: Report) -> str:
    """The report as a text table."""
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


def write_report(report: Report, file: str | Path) -> None:
    """Write the report as JSON.

    Raises:
        OSError: If that cannot be done; the message names the file.
    """
    try:
        Path(file).write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise OSError(f"{file} could not be written ({error.strerror}); choose another --json.") from error


def save_clean(dataset: Dataset, report: Report, out: str | Path) -> None:
    """Write the rows without a fault as a folder that `load_dataset` opens.

    Args:
        dataset: What the report is about, as `reader.open_pairs` gives it; all its columns are kept.
        report: Of `validate_set`.
        out: New, empty, or an earlier one, which is replaced.

    Raises:
        ValueError: If no row is clean, or `out` holds something else.
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
            DatasetCardData(tags=["hf_hardneg"]),  # no "configs", for the reason in `export_card.build_card`
            template_path=str(TEMPLATE),
            report=report,
            table=format_report(report),
            location=Path(out).resolve().name,
            version=__version__,
        )
        (part / CARD).write_text(str(card), encoding="utf-8")
        write_report(report, part / REPORT)
