"""What is said of an exported set: counts from its journal, and the dataset card. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from huggingface_hub import DatasetCard, DatasetCardData

from ... import __version__
from ...columns import size_category
from ..journal_items import summarize
from ..review.agreement import ACCEPT, Review, krippendorff_alpha, observed_agreement
from .record import Pair, Record


TEMPLATE = Path(__file__).parent / "templates" / "inpaintcoco_card.md"
CARD, RECORD, SHEET, DATA_FILE = "README.md", "export.json", "contact_sheet.png", "data/test-00000-of-00001.parquet"
MADE_BY = "hf-hardneg inpaint export"
NOT_STATED = "not recorded"
NO_DERIVATIVES = ("noderiv", "by-nd", "nc-nd")  # in names and addresses of Creative Commons licenses

HOW_EDITED = {
    "classical": "The editor is *classical*: a color is changed inside the mask and keeps its shading; a thing is "
    "scaled about the point on which it stands; another kind of thing is a cut-out from another photo of the same "
    "folder, and what is uncovered is filled with patches of the surroundings. No generative model had a part in it.",
    "diffusers": "The editor is an inpainting pipeline of *diffusers*: colors and kinds of things are painted from a "
    "prompt; for another size the thing is scaled about the point on which it stands, and the pipeline paints what is "
    "uncovered.",
}


def _licenses_of(record: Record, pair: Pair) -> tuple[str, str | None]:
    """License of the pair's photo, and of the one that its cut-out is from, if there is one."""
    details = pair.made.details
    own = record.photos.get(pair.made.proposal.image_id, {}).get("source", {}).get("image_license")
    lent = details.get("source", {}).get("image_license") or NOT_STATED if "source_image_id" in details else None
    return own or NOT_STATED, lent


def count_licenses(record: Record, pairs: Sequence[Pair]) -> dict[str, dict[str, int]]:
    """By license: photos, pairs of these, and photos from which a cut-out is taken; a photo may be both."""
    photos: dict[str, set[int]] = {}
    sources: dict[str, set[int]] = {}
    number: Counter[str] = Counter()
    for pair in pairs:
        own, lent = _licenses_of(record, pair)
        number[own] += 1
        photos.setdefault(own, set()).add(pair.made.proposal.image_id)
        if lent is not None:
            sources.setdefault(lent, set()).add(pair.made.details["source_image_id"])
    return {
        name: {
            "photos": len(photos.get(name, ())),
            "pairs": number[name],
            "cut_outs": len(sources.get(name, ())),
        }
        for name in sorted({*photos, *sources})
    }


def summarize_reviews(record: Record, pairs: Sequence[Pair]) -> dict[str, Any]:
    """How many reviews of how many people, their verdicts, agreement, qualities, and captions they rewrote."""
    verdicts = [[review.verdict for review in reviews] for reviews in record.reviews.values()]
    counts = Counter(chain.from_iterable(verdicts))
    agreement, alpha = observed_agreement(verdicts), krippendorff_alpha(verdicts)
    taken = [(pair, pair.review) for pair in pairs if pair.review]
    return {
        "items": len(verdicts),
        "reviews": counts.total(),
        "workers": len({review.worker for reviews in record.reviews.values() for review in reviews}),
        "accepted": counts[ACCEPT],
        "rejected": counts.total() - counts[ACCEPT],
        "reviewed_twice": sum(len(unit) > 1 for unit in verdicts),
        "observed_agreement": None if agreement is None else round(agreement, 4),
        "krippendorff_alpha": None if alpha is None else round(alpha, 4),
        "quality": _by_name(str(review.quality) for _, review in taken if review.quality is not None),
        "minutes": _minutes(review for reviews in record.reviews.values() for review in reviews),
        "captions_rewritten": sum(pair.caption != pair.made.proposal.new_caption for pair, _ in taken),
        "against_gates": _by_name(pair.made.reason for pair, _ in taken if pair.made.reason),
    }


def _minutes(reviews: Iterable[Review]) -> float:
    return round(sum(review.seconds or 0 for review in reviews) / 60, 1)


def _by_name(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))


def _by_count(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def summarize_export(
    record: Record, pairs: Sequence[Pair], left_out: Mapping[str, int], reviewed: bool
) -> dict[str, Any]:
    """What export.json and the card say of a set, for JSON; nothing in it depends on time or place.

    Args:
        record: The journal.
        pairs: The set.
        left_out: Why other pairs that passed the gates are not in it.
        reviewed: Whether the set holds what people accepted, or all that passed the gates.
    """
    built = summarize(record.lines)
    run = record.run
    return {
        "version": __version__,
        "reviewed": reviewed,
        "pairs": len(pairs),
        "photos": len({pair.made.proposal.image_id for pair in pairs}),
        "by_concept": _by_name(pair.made.proposal.concept for pair in pairs),
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
        "reviews": summarize_reviews(record, pairs),
        "licenses": count_licenses(record, pairs),
        "no_derivatives": sum(any(map(_forbids_edits, filter(None, _licenses_of(record, pair)))) for pair in pairs),
    }


def _rows(counts: Mapping[str, int]) -> str:
    return "\n".join(f"| {name} | {count:,} |" for name, count in counts.items()) or "| none | 0 |"


def _forbids_edits(license_name: str) -> bool:
    return any(part in license_name.lower().replace(" ", "").replace("licenses/", "") for part in NO_DERIVATIVES)


def build_card(summary: Mapping[str, Any]) -> str:
    """The dataset card, Markdown with a YAML header.

    The header does not say which files are data: `datasets` (5.2) then keeps what it once loaded from a folder by the
    folder's name alone, and shows the old rows of one that was exported anew. It finds data/test-* by itself.

    Args:
        summary: Of `summarize_export`, with "location" (what to load) and "outside_difference" (largest, 0 to 255).
    """
    data = DatasetCardData(
        pretty_name=Path(summary["location"]).name,
        language="en",
        license="other",
        task_categories=["zero-shot-image-classification", "image-to-text"],
        annotations_creators=["expert-generated"] if summary["reviewed"] else ["machine-generated"],
        size_categories=[size_category(summary["pairs"])],
        tags=["coco", "image-captioning", "inpainting", "hard-negatives", "challenge-set", "hf_hardneg"],
    )
    made_with = summary["run"]["made_with"]
    facts = {
        **summary,
        "title": Path(summary["location"]).name,
        "concepts": _rows(summary["by_concept"]),
        "rejected": _rows(summary["built"]["rejected"]),
        "left_out": _rows(summary["left_out"]),
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
