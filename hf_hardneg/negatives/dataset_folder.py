"""`hf-hardneg negatives`: from a file of captions to a dataset with hard negatives, its card and its slot model."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from datasets import Dataset
from huggingface_hub import DatasetCard, DatasetCardData
from tqdm.auto import tqdm

from .. import __version__
from ..audit.display import format_audits
from ..audit.text_only_readers import Audit, audit_negatives
from ..columns import (
    CAPTION,
    NEGATIVE_CONCEPTS,
    NEGATIVE_NEWS,
    NEGATIVE_OPERATORS,
    NEGATIVE_SPANS,
    NEGATIVES,
    REJECTIONS,
    size_category,
    with_negatives,
)
from ..data.captions import read_captions
from ..lexicon.index import load_index
from .add_negatives import BATCH, AddHardNegatives, fit_slot_model
from .judge_page import build_sample_page
from .language_model import ThinByLanguageModel
from .slot_model import SlotModel


SETTINGS = ("num_negatives", "seed", "concepts", "concept_weights", "temperature")
SAMPLED = (CAPTION, NEGATIVE_CONCEPTS, NEGATIVE_NEWS, NEGATIVE_SPANS)
TEMPLATE = Path(__file__).parent / "templates" / "negatives_card.md"


def fit_or_update(rows: Dataset, concepts: tuple[str, ...], known: str | None) -> SlotModel:
    """The slot model of `rows`, added to a saved one if `known` names its folder."""
    number = -(-len(rows) // BATCH)
    model = fit_slot_model(tqdm(rows.iter(BATCH), total=number, desc="Counting words", disable=None), concepts)
    return model.add([SlotModel.load(known, load_index(concepts))]) if known else model


def make_negatives(
    source: str,
    folder: str | Path,
    add: AddHardNegatives,
    known_model: str | None = None,
    language_model: str | None = None,
    caption_column: str | None = None,
    split: str = "train",
    num_proc: int | None = None,
    with_audit: bool = True,
) -> dict[str, Any]:
    """Read captions, fit the slot model, draw negatives, audit them, and write a dataset folder.

    Args:
        source: See `captions.read_captions`.
        folder: Gets data/train.parquet, slot_model/, negatives.json, sample.html (to judge 200) and README.md.
        add: The settings; its model is replaced by the one that is fitted here.
        known_model: Folder of a slot model of further captions.
        language_model: Hub id or folder of a causal language model that thins what was drawn.
        caption_column: See `captions.read_captions`.
        split: Of a dataset folder or Hub id.
        num_proc: Processes that draw.
        with_audit: Whether to audit what was made.

    Returns:
        What negatives.json holds: settings, counts and the audit.

    Raises:
        ValueError: If the source, the model or the settings cannot be used; the message says what to do.
    """
    rows, skipped = read_captions(source, caption_column, split)
    model = fit_or_update(rows, add.concepts, known_model)
    settings = {name: getattr(add, name) for name in SETTINGS}
    made = rows.map(
        replace(add, model=model),
        batched=True,
        batch_size=BATCH,
        num_proc=num_proc,
        features=with_negatives(rows.features),
        desc="Adding hard negatives",
    )
    if language_model:
        thin = ThinByLanguageModel(language_model, add.temperature, add.seed)
        made = made.map(thin, batched=True, batch_size=BATCH, features=made.features, desc="Language model")
    settings["language_model"] = language_model
    folder = Path(folder)
    (folder / "data").mkdir(parents=True, exist_ok=True)
    made.to_parquet(str(folder / "data" / "train.parquet"))
    model.save(folder / "slot_model", load_index(add.concepts))
    is_hub_id = not Path(source).exists()
    about = {"source": source if is_hub_id else Path(source).name, "source_dataset": source if is_hub_id else None}
    summary = {**about, "settings": settings, **summarize(made, skipped, with_audit)}
    (folder / "negatives.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    page = build_sample_page({name: made[name][:] for name in SAMPLED}, f"Negatives of {summary['source']}")
    (folder / "sample.html").write_text(page, encoding="utf-8")
    (folder / "README.md").write_text(build_card(summary, folder.name), encoding="utf-8")
    return summary


def summarize(made: Dataset, skipped: Counter[str], with_audit: bool = True) -> dict[str, Any]:
    """Counts of what was made and turned down, and the audit (None where it is not wanted or not possible)."""
    negatives = made[NEGATIVES][:]
    by_number = Counter(map(len, negatives))
    result: dict[str, Any] = {
        "captions": len(made),
        "negatives": sum(map(len, negatives)),
        "by_number": {str(k): by_number[k] for k in sorted(by_number)},
        "by_concept": _count(made[NEGATIVE_CONCEPTS][:]),
        "by_operator": _count(made[NEGATIVE_OPERATORS][:]),
        "rejections": _count(made[REJECTIONS][:]),
        "skipped": dict(skipped),
        "audit": None,
    }
    if with_audit:
        try:
            result["audit"] = asdict(audit_negatives(made[CAPTION][:], negatives))
        except ValueError as error:
            result["audit"] = str(error)
    return result


def _count(lists: Sequence[Sequence[str]]) -> dict[str, int]:
    return dict(Counter(value for values in lists for value in values).most_common())


def _list(counts: dict[str, int]) -> str:
    return ", ".join(f"{key} {count:,}" for key, count in counts.items()) or "none"


def format_summary(summary: dict[str, Any]) -> str:
    """The summary for the terminal."""
    lines = [
        f"{summary['negatives']:,} negatives for {summary['captions']:,} captions",
        f"captions by number of negatives: {_list(summary['by_number'])}",
        f"negatives by concept: {_list(summary['by_concept'])}; by operator: {_list(summary['by_operator'])}",
        f"rows in which candidates were turned down: {_list(summary['rejections'])}",
        f"skipped: {_list(summary['skipped'])}",
        "",
        format_audit(summary["audit"]),
    ]
    return "\n".join(lines)


def format_audit(found: dict[str, Any] | str | None) -> str:
    """The audit as a table, or why there is none."""
    return format_audits({"negatives": Audit(**found)}) if isinstance(found, dict) else f"No audit: {found or 'off'}"


def build_card(summary: dict[str, Any], title: str) -> str:
    """The dataset card, Markdown with a YAML header."""
    settings = summary["settings"]
    # Data files are found by their names. With `configs`, datasets 5.2 takes a local folder for unchanged as long as
    # its name is, and loads the rows of an earlier run.
    data = DatasetCardData(
        language="en",
        license="other",  # that of the captions, which only their source can tell
        license_name="license-of-the-captions",
        source_datasets=summary["source_dataset"] and [summary["source_dataset"]],
        size_categories=[size_category(summary["captions"])],
        task_categories=["zero-shot-image-classification"],
        tags=["hard-negatives", "captions", "hf_hardneg"],
    )
    facts = {
        "title": title,
        "location": title,
        "source": summary["source"],
        "captions": f"{summary['captions']:,}",
        "negatives": f"{summary['negatives']:,}",
        "version": __version__,
        "seed": settings["seed"],
        "num_negatives": settings["num_negatives"],
        "temperature": settings["temperature"],
        "language_model": settings["language_model"],
        "concepts": ", ".join(Path(name).stem for name in settings["concepts"]),
        "audit": format_audit(summary["audit"]),
        **{name: _list(summary[name]) for name in ("by_number", "by_concept", "by_operator", "rejections", "skipped")},
    }
    return str(DatasetCard.from_template(data, template_path=str(TEMPLATE), **facts))
