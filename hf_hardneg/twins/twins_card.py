"""The card of a set of natural twins: from its counts to Markdown with metadata for the Hub. Pure."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import DatasetCard, DatasetCardData

from .. import __version__
from ..card_metadata import DOCUMENTATION_URL, PROJECT_URL, TASK_CATEGORIES, UNKNOWN_LICENSE, size_category
from ..data.skip_reasons import describe_reasons
from .choose_twins import KINDS


TEMPLATE = Path(__file__).parent / "templates" / "twins_card.md"


def yield_rows(summary: Mapping[str, Any]) -> list[tuple[str, list[int]]]:
    """The lines of the table of yields: a concept, or "all", with its pairs of each of `KINDS` and of all kinds.

    Args:
        summary: What twins.json holds.
    """
    by_concept = {**summary["by_concept"], "all": summary["by_kind"]}
    return [(name, [*(counts[kind] for kind in KINDS), sum(counts.values())]) for name, counts in by_concept.items()]


def build_twins_card(summary: Mapping[str, Any]) -> str:
    """Build the dataset card.

    The card never guesses a license. Without one from the user, its metadata say "unknown". Its header lists no data
    files: `datasets` finds them, and with such a list it would show old rows after a new run.

    Args:
        summary: What twins.json holds.
    """
    data = DatasetCardData(
        pretty_name=summary["name"],
        language="en",
        license=summary["license"] or UNKNOWN_LICENSE,
        source_datasets=[summary["source"]] if summary["is_hub_id"] else None,
        size_categories=[size_category(summary["pairs"])],
        task_categories=TASK_CATEGORIES,
        annotations_creators=["machine-generated"],
        tags=["natural-twins", "challenge-set", "clip", "hf_hardneg"],
    )
    facts = {
        **summary,
        "counts": "\n".join(
            f"| {name} | " + " | ".join(f"{number:,}" for number in numbers) + " |"
            for name, numbers in yield_rows(summary)
        ),
        "left_out": describe_reasons(summary["left_out"]),
        "skipped": describe_reasons(summary["skipped"]),
        "version": __version__,
        "project_url": PROJECT_URL,
        "documentation_url": DOCUMENTATION_URL,
    }
    return str(DatasetCard.from_template(data, template_path=str(TEMPLATE), **facts))
