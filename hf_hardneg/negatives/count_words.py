"""The slot model of whole datasets, fitted once: a second run on equal captions finds it in the cache."""

import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from datasets import Dataset
from tqdm.auto import tqdm

from ..columns import CAPTION, CATEGORIES, IMAGE_ID, OTHER_CAPTIONS
from ..data.photo_files import cache_folder
from ..file_digests import source_digest
from ..lexicon.concepts import vocabularies_digest
from ..lexicon.index import LexiconIndex, load_index
from ..lexicon.tagging import recall_tags, save_tags
from ..versions import package_versions
from .add_negatives import SOURCES, fit_slot_model
from .counted_captions import digest_captions, new_batches
from .slot_model import SlotModel


logger = logging.getLogger(__name__)

BATCH = 1000  # captions that are read at a time
READ = (IMAGE_ID, CAPTION, OTHER_CAPTIONS, CATEGORIES)
TAGS = "tags.json"  # beside a slot model: what the tagger said about these captions, so that it is not asked again


def count_words(parts: Sequence[Dataset], concepts: tuple[str, ...], counted: np.ndarray | None = None) -> SlotModel:
    """Fit the slot model on all captions of some datasets, or read it from the cache of `datasets`.

    Args:
        parts: Rows with captions and, if possible, other captions and categories. No other column is read.
        concepts: As in `AddHardNegatives`.
        counted: From `digest_captions`: captions that are left out. None leaves out none.
    """
    parts = [rows.select_columns([name for name in READ if name in rows.column_names]) for rows in parts]
    counted = digest_captions([]) if counted is None else counted
    index, folder = load_index(concepts), cache_folder("slot_models") / _key(parts, concepts, counted)
    if folder.is_dir():
        try:
            model = SlotModel.load(folder, index)
            recall_tags(folder / TAGS)
            return model
        except (OSError, ValueError) as error:
            logger.warning(f"The slot model is fitted anew: {error}")
            shutil.rmtree(folder, ignore_errors=True)
    number = sum(-(-len(rows) // BATCH) for rows in parts)
    batches = tqdm(_batches(parts), total=number, desc="Finding slots", disable=None)
    return _keep(fit_slot_model(new_batches(batches, counted), concepts), folder, index)


def _batches(parts: Sequence[Dataset]) -> Iterator[Mapping[str, Sequence]]:
    return (batch for rows in parts for batch in rows.iter(BATCH))


def _key(parts: Sequence[Dataset], concepts: tuple[str, ...], counted: np.ndarray) -> str:
    """Changes with the captions and all that is known of their images, with the concepts, the rules and the tagger.

    Fingerprints of `datasets` would not do: some change with each run although the rows do not.
    """
    digest = hashlib.blake2b(counted.tobytes(), digest_size=16)
    taggers = {name: version for name, version in package_versions().items() if name.startswith("en-core-web")}
    rules = (source_digest(*SOURCES), concepts, vocabularies_digest(concepts), taggers)
    digest.update(repr(rules).encode("utf-8", "surrogatepass"))
    for rows in parts:
        for batch in rows.with_format("arrow").iter(BATCH):
            content = repr(batch.to_pydict())
            digest.update(content.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _keep(model: SlotModel, folder: Path, index: LexiconIndex) -> SlotModel:
    """Put a model into the cache, whole or not at all, and read it, so that each run has the very same arrays."""
    try:
        with tempfile.TemporaryDirectory(dir=folder.parent) as work:
            part = Path(work) / folder.name
            model.save(part, index)
            save_tags(part / TAGS)
            try:
                os.rename(part, folder)
            except OSError:
                if not folder.is_dir():  # else another run was faster
                    raise
        return SlotModel.load(folder, index)
    except (OSError, ValueError) as error:
        logger.warning(f"The slot model is not kept for the next run: {error}")
        return model
