"""From a file of captions to a dataset folder with hard negatives, a card, a slot model and a page to judge them."""

import json
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset

from ..atomic_folder import check_overwrites
from ..audit.measure import audit_negatives
from ..columns import (
    CAPTION,
    IMAGE_ID,
    NEGATIVE_CONCEPTS,
    NEGATIVE_NEWS,
    NEGATIVE_OPERATORS,
    NEGATIVE_SPANS,
    NEGATIVES,
    REJECTIONS,
    with_negatives,
)
from ..data.captions import read_captions
from ..data.skip_reasons import describe_reasons
from ..lexicon.index import load_index
from .add_negatives import BATCH, AddHardNegatives
from .build_options import BuildOptions
from .count_words import count_words
from .counted_captions import digest_captions, load_counted, save_counted
from .judge_page import build_sample_page
from .language_model import ThinByLanguageModel
from .negatives_card import CaptionOrigin, build_card, format_audit, format_counts, format_numbers
from .slot_model import SlotModel


logger = logging.getLogger(__name__)

SETTINGS = ("num_negatives", "seed", "concepts", "concept_weights", "temperature")
SAMPLED = (CAPTION, NEGATIVE_CONCEPTS, NEGATIVE_NEWS, NEGATIVE_SPANS)


def fit_or_update(rows: Dataset, concepts: tuple[str, ...], known: str | None) -> tuple[SlotModel, np.ndarray]:
    """Fit the slot model of `rows`; if `known` names the folder of a saved model, fit it on both.

    Returns:
        The model, and the digests of the captions that it was fitted on, each caption once.
    """
    counted = load_counted(known) if known else digest_captions([])
    model = count_words([rows], concepts, counted)
    digests = digest_captions(rows[CAPTION])
    if known:
        index = load_index(concepts)
        model = SlotModel.load(known, index).add([model.examples], index)
        logger.warning(f"{known} was fitted on {np.isin(digests, counted).sum():,} of {len(rows):,} captions already.")
    return model, np.union1d(counted, digests)


def check_output(folder: str | Path, own: Sequence[str] = ("train.parquet",)) -> Path:
    """Return the folder for the rows; a dataset folder with rows of another run would hold both.

    Args:
        folder: The dataset folder.
        own: Names in data/ that the caller overwrites.

    Raises:
        ValueError: If data/ has other Parquet files, or any file at all where the caller overwrites none.
    """
    data = Path(folder) / "data"
    others = sorted(file.name for file in data.glob("*.parquet" if own else "*") if file.name not in own)
    if others:
        raise ValueError(f"{data} has files of another run, such as {others[0]}; remove it or choose another --out.")
    return data


def make_negatives(
    source: str, folder: str | Path, add: AddHardNegatives, options: BuildOptions | None = None
) -> dict[str, Any]:
    """Read captions, fit the slot model, draw negatives, audit them, and write a dataset folder.

    Args:
        source: A file of captions, a dataset folder or a Hub id; see `data.read_captions`.
        folder: Gets data/train.parquet, slot_model/, negatives.json, sample.html (200 negatives to judge), README.md.
        add: The settings of the draw. Its model is replaced by the one that is fitted here.
        options: How to read the captions and build the dataset; None takes the defaults.

    Returns:
        What negatives.json holds: the settings, the counts and the audit.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the source, the model or the settings cannot be used, or the folder holds such files of somebody
            else; the message says what to do.

    Examples:
        >>> import json, tempfile
        >>> captions = [{"caption": caption} for caption in ("a red car", "a blue car", "a red bus", "a blue bus")]
        >>> with tempfile.TemporaryDirectory() as work:
        ...     _ = Path(work, "captions.json").write_text(json.dumps(captions))
        ...     options = BuildOptions(with_audit=False)
        ...     made = make_negatives(f"{work}/captions.json", f"{work}/made", AddHardNegatives(), options)
        ...     sorted(path.name for path in Path(work, "made").iterdir())
        ['README.md', 'data', 'negatives.json', 'sample.html', 'slot_model']
        >>> made["captions"]
        4
    """
    options = options or BuildOptions()
    data = check_output(folder)
    check_overwrites(folder, ["negatives.json"], ["README.md", "data/train.parquet", "sample.html"])
    rows, skipped = read_captions(source, options.caption_column, options.split, options.config)
    model, counted = fit_or_update(rows, add.concepts, options.known_model)
    settings = {name: getattr(add, name) for name in SETTINGS}
    made = rows.map(
        replace(add, model=model),
        batched=True,
        batch_size=BATCH,
        num_proc=options.num_proc,
        features=with_negatives(rows.features),
        desc="Adding hard negatives",
    )
    if options.language_model:
        thin = ThinByLanguageModel(options.language_model, add.temperature, add.seed)
        made = made.map(thin, batched=True, batch_size=BATCH, features=made.features, desc="Language model")
    settings["language_model"] = options.language_model
    folder = Path(folder)
    data.mkdir(parents=True, exist_ok=True)
    made.to_parquet(str(data / "train.parquet"))
    model.save(folder / "slot_model", load_index(add.concepts))
    save_counted(folder / "slot_model", counted)
    summary = {"source": Path(source).name, "settings": settings, **summarize(made, skipped, options.with_audit)}
    (folder / "negatives.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    page = build_sample_page({name: made[name][:] for name in SAMPLED}, f"Negatives of {summary['source']}")
    (folder / "sample.html").write_text(page, encoding="utf-8")
    origin = CaptionOrigin(None if Path(source).exists() else source, options.license)
    (folder / "README.md").write_text(build_card(summary, folder.name, origin), encoding="utf-8")
    return summary


def summarize(made: Dataset, skipped: Counter[str], with_audit: bool = True) -> dict[str, Any]:
    """Count what was made and what was rejected, and audit it.

    Args:
        made: Rows with the columns of `columns.NEGATIVE_FEATURES`.
        skipped: Captions that were skipped, by reason.
        with_audit: Whether to audit the negatives.

    Returns:
        Counts for negatives.json. "audit" holds the fields of an `Audit`, the reason why there is none, or None.
    """
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
            image_ids = made[IMAGE_ID][:] if IMAGE_ID in made.column_names else None
            found = audit_negatives(made[CAPTION][:], negatives, image_ids, made[NEGATIVE_CONCEPTS][:])
            result["audit"] = asdict(found)
        except ValueError as error:
            result["audit"] = str(error)
    return result


def _count(lists: Sequence[Sequence[str]]) -> dict[str, int]:
    return dict(Counter(value for values in lists for value in values).most_common())


def format_summary(summary: dict[str, Any]) -> str:
    """The summary as text for the terminal."""
    lines = [
        f"{summary['negatives']:,} negatives for {summary['captions']:,} captions",
        f"captions by number of negatives: {format_numbers(summary['by_number'])}",
        f"negatives by concept: {format_counts(summary['by_concept'])}; "
        f"by operator: {format_counts(summary['by_operator'])}",
        "captions without a negative or with a rejected candidate, by reason: "
        f"{describe_reasons(summary['rejections'])}",
        f"skipped: {describe_reasons(summary['skipped'])}",
        "",
        format_audit(summary["audit"]),
    ]
    return "\n".join(lines)
