"""Summarize an exported set and build its dataset card. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from huggingface_hub import DatasetCard, DatasetCardData

from ... import __version__
from ..journal_items import summarize_build
from ..review.agreement import krippendorff_alpha, observed_agreement
from ..review.review_records import ACCEPT, Review
from .selected_pairs import JournalContents, SelectedPair


TEMPLATE = Path(__file__).parent / "templates" / "inpaintcoco_card.md"
CARD, EXPORT_JSON, SHEET, DATA_FILE = (
    "README.md",
    "export.json",
    "contact_sheet.png",
    "data/test-00000-of-00001.parquet",
)
MADE_BY = "hf-hardneg inpaint export"
NOT_STATED = "not recorded"
NO_DERIVATIVES = ("noderiv", "by-nd", "nc-nd")  # parts of names and addresses of Creative Commons licenses
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"))  # categories of the Hub

HOW_EDITED = {
    "classical": "The *classical* editor made the edits. It recolors an object and keeps its shading. It scales an "
    "object about the point on which it stands. It replaces an object by a cutout from another photo of the same "
    "folder. It fills uncovered background with patches of the surroundings. No generative model was used.",
    "diffusers": "An inpainting pipeline of *diffusers* made the edits. It paints colors and other objects from a "
    "prompt. For another size, the object is scaled about the point on which it stands, and the pipeline paints the "
    "uncovered background.",
}


def _licenses_of(contents: JournalContents, pair: SelectedPair) -> tuple[str, str | None]:
    """Return the license of the pair's photo, and that of the cutout's photo, if there is a cutout."""
    details = pair.candidate.details
    of_photo = contents.photos.get(pair.candidate.proposal.image_id, {}).get("source", {}).get("image_license")
    of_cutout = details.get("source", {}).get("image_license") or NOT_STATED if "source_image_id" in details else None
    return of_photo or NOT_STATED, of_cutout


def count_licenses(contents: JournalContents, pairs: Sequence[SelectedPair]) -> dict[str, dict[str, int]]:
    """Count photos, pairs, and photos of cutouts by license. A photo can be both."""
    photos: dict[str, set[int]] = {}
    sources: dict[str, set[int]] = {}
    number: Counter[str] = Counter()
    for pair in pairs:
        of_photo, of_cutout = _licenses_of(contents, pair)
        number[of_photo] += 1
        photos.setdefault(of_photo, set()).add(pair.candidate.proposal.image_id)
        if of_cutout is not None:
            sources.setdefault(of_cutout, set()).add(pair.candidate.details["source_image_id"])
    return {
        name: {
            "photos": len(photos.get(name, ())),
            "pairs": number[name],
            "cut_outs": len(sources.get(name, ())),
        }
        for name in sorted({*photos, *sources})
    }


def summarize_reviews(contents: JournalContents, pairs: Sequence[SelectedPair]) -> dict[str, Any]:
    """Return counts of the reviews: reviewers, verdicts, agreement, qualities, minutes and rewritten captions."""
    verdicts = [[review.verdict for review in reviews] for reviews in contents.reviews.values()]
    counts = Counter(chain.from_iterable(verdicts))
    agreement, alpha = observed_agreement(verdicts), krippendorff_alpha(verdicts)
    accepted = [(pair, pair.review) for pair in pairs if pair.review]
    return {
        "items": len(verdicts),
        "reviews": counts.total(),
        "workers": len({review.worker for reviews in contents.reviews.values() for review in reviews}),
        "accepted": counts[ACCEPT],
        "rejected": counts.total() - counts[ACCEPT],
        "reviewed_twice": sum(len(unit) > 1 for unit in verdicts),
        "observed_agreement": None if agreement is None else round(agreement, 4),
        "krippendorff_alpha": None if alpha is None else round(alpha, 4),
        "quality": _by_name(str(review.quality) for _, review in accepted if review.quality is not None),
        "minutes": _minutes(review for reviews in contents.reviews.values() for review in reviews),
        "captions_rewritten": sum(map(_is_rewritten, (pair for pair, _ in accepted))),
        "against_gates": _by_name(pair.candidate.reason for pair, _ in accepted if pair.candidate.reason),
    }


def _is_rewritten(pair: SelectedPair) -> bool:
    # Reviewed captions have no double or trailing spaces, which COCO's captions often have.
    return pair.caption.split() != pair.candidate.proposal.new_caption.split()


def _minutes(reviews: Iterable[Review]) -> float:
    return round(sum(review.seconds or 0 for review in reviews) / 60, 1)


def _by_name(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))


def _by_count(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def summarize_export(
    contents: JournalContents, pairs: Sequence[SelectedPair], left_out: Mapping[str, int], reviewed: bool
) -> dict[str, Any]:
    """Return the facts of a set for export.json and the card. They depend on neither time nor place.

    Args:
        contents: The journal.
        pairs: The set.
        left_out: Counts of the other pairs that passed the gates, by reason.
        reviewed: True if people accepted the pairs, false if the set has all that passed the gates.
    """
    built = summarize_build(contents.lines)
    run = contents.run
    return {
        "version": __version__,
        "reviewed": reviewed,
        "pairs": len(pairs),
        "photos": len({pair.candidate.proposal.image_id for pair in pairs}),
        "by_concept": _by_name(pair.candidate.proposal.concept for pair in pairs),
        "left_out": _by_count(left_out),
        "built": {
            "accepted": _by_name(built.accepted.elements()),
            "rejected": _by_count(built.rejected),
            "skipped": _by_count(built.skipped),
        },
        "run": {
            "coco": Path(run.get("coco", "")).name,
            "split": run.get("split"),
            "seed": run.get("seed"),
            "made_with": run.get("made_with", {}),
        },
        "reviews": summarize_reviews(contents, pairs),
        "licenses": count_licenses(contents, pairs),
        "no_derivatives": sum(any(map(_forbids_edits, filter(None, _licenses_of(contents, pair)))) for pair in pairs),
    }


def _table_rows(counts: Mapping[str, int]) -> str:
    return "\n".join(f"| {name} | {count:,} |" for name, count in counts.items()) or "| none | 0 |"


def _forbids_edits(license_name: str) -> bool:
    return any(part in license_name.lower().replace(" ", "").replace("licenses/", "") for part in NO_DERIVATIVES)


def _size_category(number: int) -> str:
    return next((name for limit, name in SIZES if number < limit), "n>100K")


def build_export_card(summary: Mapping[str, Any]) -> str:
    """Return the dataset card: Markdown with a YAML header.

    The header does not list the data files, because `datasets` finds data/test-* by itself. With such a list,
    `datasets` 5.2 would cache a folder by its name alone and show old rows after a new export.

    Args:
        summary: Of `summarize_export`, with "location" (the name to load) and "outside_difference" (0 to 255).
    """
    data = DatasetCardData(
        pretty_name=Path(summary["location"]).name,
        language="en",
        license="other",
        task_categories=["zero-shot-image-classification", "image-to-text"],
        annotations_creators=["expert-generated"] if summary["reviewed"] else ["machine-generated"],
        size_categories=[_size_category(summary["pairs"])],
        tags=["coco", "image-captioning", "inpainting", "hard-negatives", "challenge-set", "hf_hardneg"],
    )
    made_with = summary["run"]["made_with"]
    facts = {
        **summary,
        "title": Path(summary["location"]).name,
        "concepts": _table_rows(summary["by_concept"]),
        "rejected": _table_rows(summary["built"]["rejected"]),
        "left_out": _table_rows(summary["left_out"]),
        "passed": sum(summary["built"]["accepted"].values()),
        "tried": sum(summary["built"]["accepted"].values()) + sum(summary["built"]["rejected"].values()),
        "how_edited": HOW_EDITED.get(
            made_with.get("editor"), f"The editor is {made_with.get('editor', 'not named')}."
        ),
        "settings": "\n".join(f"- {name}: `{value}`" for name, value in {**made_with, **_settings(summary)}.items()),
        "license_rows": "\n".join(
            f"| {name} | {one['photos']:,} | {one['pairs']:,} | {one['cut_outs']:,} |"
            for name, one in summary["licenses"].items()
        ),
        "qualities": ", ".join(f"{name}: {count:,}" for name, count in summary["reviews"]["quality"].items()),
        "against_gates": ", ".join(f"{name} ({n:,})" for name, n in summary["reviews"]["against_gates"].items()),
    }
    return str(DatasetCard.from_template(data, template_path=str(TEMPLATE), **facts))


def _settings(summary: Mapping[str, Any]) -> dict[str, Any]:
    run = summary["run"]
    return {"photos from": run["coco"], "split": run["split"] or "the folder's only one", "seed": run["seed"]}
