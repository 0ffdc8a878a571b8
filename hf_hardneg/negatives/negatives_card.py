"""The card of a dataset with negatives: from its counts and its audit to Markdown with metadata for the Hub. Pure."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from huggingface_hub import DatasetCard, DatasetCardData

from .. import __version__
from ..audit.display import format_audits
from ..audit.measure import Audit
from ..card_metadata import DOCUMENTATION_URL, PROJECT_URL, TASK_CATEGORIES, UNKNOWN_LICENSE, size_category
from ..data.skip_reasons import describe_reasons


TEMPLATE = Path(__file__).parent / "templates" / "negatives_card.md"


class CaptionOrigin(NamedTuple):
    """Where the captions of a dataset come from, as far as the user said.

    Attributes:
        dataset_id: The Hub id of the captions, or None if they come from a file.
        license: The Hub's id of the license of the captions, or None if it was not given.
    """

    dataset_id: str | None = None
    license: str | None = None


def format_counts(counts: Mapping[str, int]) -> str:
    """Counts in one line, or "none"."""
    return ", ".join(f"{key} {count:,}" for key, count in counts.items()) or "none"


def format_numbers(by_number: Mapping[str, int]) -> str:
    """How many captions have how many negatives, in one line.

    Examples:
        >>> format_numbers({"0": 33, "1": 1200})
        '33 with 0, 1,200 with 1'
    """
    return ", ".join(f"{captions:,} with {number}" for number, captions in by_number.items()) or "none"


def format_audit(audit: Mapping[str, Any] | str | None) -> str:
    """The audit of a summary as a table.

    Args:
        audit: The fields of an `Audit`, the reason why there is none, or None if it was switched off.
    """
    if audit is None or isinstance(audit, str):
        return f"No audit: {audit or 'off'}"
    return format_audits({"negatives": Audit.from_json(audit)})


def build_card(summary: Mapping[str, Any], title: str, origin: CaptionOrigin) -> str:
    """Build the dataset card.

    The card never guesses a license. Without one from the user, its metadata say "unknown".

    Args:
        summary: What negatives.json holds.
        title: The name of the dataset's folder.
        origin: Where the captions come from.

    Returns:
        Markdown with a YAML header.
    """
    settings = summary["settings"]
    # The header has no `configs`: with them, datasets 5.2 knows a local folder by its name alone and loads the rows of
    # an earlier run. It finds data/train.parquet without them.
    data = DatasetCardData(
        pretty_name=title,
        language="en",
        license=origin.license or UNKNOWN_LICENSE,
        source_datasets=[origin.dataset_id] if origin.dataset_id else None,
        size_categories=[size_category(summary["captions"])],
        task_categories=TASK_CATEGORIES,
        annotations_creators=["machine-generated"],
        tags=["hard-negatives", "captions", "clip", "hf_hardneg"],
    )
    facts = {
        "title": title,
        "source": summary["source"],
        "dataset_id": origin.dataset_id,
        "license": origin.license,
        "project_url": PROJECT_URL,
        "documentation_url": DOCUMENTATION_URL,
        "captions": f"{summary['captions']:,}",
        "negatives": f"{summary['negatives']:,}",
        "version": __version__,
        "seed": settings["seed"],
        "num_negatives": settings["num_negatives"],
        "temperature": settings["temperature"],
        "language_model": settings["language_model"],
        "concepts": ", ".join(Path(name).stem for name in settings["concepts"]),
        "audit": format_audit(summary["audit"]),
        "by_number": format_numbers(summary["by_number"]),
        **{name: format_counts(summary[name]) for name in ("by_concept", "by_operator")},
        **{name: describe_reasons(summary[name]) for name in ("rejections", "skipped")},
    }
    return str(DatasetCard.from_template(data, template_path=str(TEMPLATE), **facts))
