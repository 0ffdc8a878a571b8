"""Which captions of one frame are twins: words that exclude each other, each false of the other photo. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from ..columns import CAPTION, IMAGE_ID
from ..lexicon.index import LexiconIndex
from ..lexicon.words import locate_words, split_words
from ..negatives.chance import uniform
from ..negatives.slots import Analysis, Slot, analyze
from ..negatives.truth_filter import ImageTexts, find_risks
from .frames import Frame, find_views, plain_words


EXACT, FRAME, BEGINNING = KINDS = ("exact", "frame", "beginning")
PER_FRAME = 8  # twins of one frame, at most: a frequent one would fill the set
CANDIDATES = 4 * PER_FRAME  # that are remembered of one frame, since photos are also in pairs of other frames
SAME_PHOTO = "both captions are of one photo"
ALIKE = "the two words can be true of one thing"
FULL = "other twins of the frame were drawn"
TAKEN = "a photo is in another pair"
# For each of `truth_filter.REASONS`, why the word of one photo may be true of the other one.
TRUE_OF_OTHER = (
    "the word of one photo does not agree with a pronoun of the other's caption",
    "the word of one photo is in the other's caption",
    "the word of one photo is in another caption of the other photo",
    "the word of one photo is an annotated category of the other photo",
)


# A pair that may be drawn; 80 bytes, since there are more of them than captions where captions are much alike. Of both
# sides: the row, the photo, the words of the concept word, and the end of the view, 0 for the whole caption.
CANDIDATE = np.dtype(
    [
        ("kind", "<i4"),
        ("concept", "<i4"),
        ("order", "<f8"),
        ("key", "<u8"),
        ("row", "<i8", 2),
        ("image_id", "<i8", 2),
        ("start", "<i4", 2),
        ("stop", "<i4", 2),
        ("end", "<i4", 2),
    ]
)


class Side(NamedTuple):
    """One of two twins: a photo and what is said of it.

    Attributes:
        row: Its row.
        image_id: Its photo.
        text: The caption, or its beginning.
        word: The concept word.
    """

    row: int
    image_id: int
    text: str
    word: str


class Twin(NamedTuple):
    """Two captions of two photos that differ in one concept word.

    Attributes:
        kind: One of `KINDS`.
        key: The hash of the frame.
        concept: The concept of the word.
        first: One side.
        second: The other side.
    """

    kind: str
    key: int
    concept: str
    first: Side
    second: Side


class _Member(NamedTuple):
    """A view with what decides whether it has a twin."""

    place: int  # of its row in the batch
    image_id: int
    draw: int
    slot: Slot
    end: int
    is_whole: bool
    frame: Frame
    words: tuple[list[str], list[str]]  # before and after the slot


def _member(record: Any, place: int, image_id: int, analysis: Analysis) -> _Member | None:
    for slot, end, is_whole, frame in find_views(analysis):
        if slot.start == record["start"] and end == record["end"]:
            words = plain_words(analysis.words[: slot.start]), plain_words(analysis.words[slot.end : end])
            return _Member(place, image_id, int(record["draw"]), slot, end, is_whole, frame, words)
    return None


def _excludes(one: _Member, other: _Member, index: LexiconIndex) -> bool:
    """Whether the words are of one kind and exclude each other. People wrote both captions: articles need not fit."""
    return bool(index.classes[one.slot.reading.of_class].opposed[one.slot.reading.form, other.slot.reading.form])


def _why_true(one: _Member, other: _Member, risks: Sequence[np.ndarray], index: LexiconIndex) -> str | None:
    """The reason why the word of one photo may be true of the other photo, in either direction."""
    for reason, of_reason in zip(TRUE_OF_OTHER, risks, strict=True):
        for here, there in ((one, other), (other, one)):
            byte, bit = divmod(there.slot.reading.form, 8)
            if of_reason[here.place, index.byte_spans[here.slot.reading.of_class].start + byte] >> bit & 1:
                return reason
    return None


def _kind(one: _Member, other: _Member) -> str:
    if not (one.is_whole and other.is_whole):
        return BEGINNING
    return EXACT if one.words == other.words else FRAME


def _pairs_of_frame(
    key: int, members: Sequence[_Member], risks: Sequence[np.ndarray], index: LexiconIndex, left_out: Counter[str]
) -> list[tuple[int, float, _Member, _Member]]:
    """At most `CANDIDATES` pairs: exact ones first, else as they are drawn."""
    found = []
    for one, other in combinations(members, 2):
        if one.frame != other.frame or one.slot.reading.form == other.slot.reading.form:
            continue
        reason = None if one.image_id != other.image_id else SAME_PHOTO
        reason = reason or (None if _excludes(one, other, index) else ALIKE) or _why_true(one, other, risks, index)
        if reason:
            left_out[reason] += 1
            continue
        one, other = sorted((one, other), key=lambda member: (member.draw, member.image_id))
        order = uniform(f"{key}/{one.draw}/{other.draw}")
        found.append((KINDS.index(_kind(one, other)), order, one, other))
    found.sort(key=lambda pair: pair[:2])
    left_out[FULL] += max(0, len(found) - CANDIDATES)
    return found[:CANDIDATES]


def choose_twins(
    records: np.ndarray, batch: Mapping[str, Sequence], index: LexiconIndex, left_out: Counter[str]
) -> np.ndarray:
    """Find the pairs of captions that are twins among those that share frames.

    Args:
        records: (N,) of `collisions.RECORD`, sorted by key.
        batch: The distinct rows of the records in ascending order, with the columns of `columns.NEGATIVE_SOURCES`.
        index: The vocabulary.
        left_out: Counts the pairs that are no twins, by reason.

    Returns:
        (M,) of `CANDIDATE`. Concepts are places in `index.lexicon.concepts`.
    """
    rows, places = np.unique(records["row"], return_inverse=True)
    analyses = analyze(batch[CAPTION], index)
    risks = find_risks(ImageTexts.from_batch(batch), analyses, index)
    concepts = {name: i for i, name in enumerate(index.lexicon.concepts)}
    found = []
    bounds = np.flatnonzero(np.diff(records["key"], prepend=records["key"][:1] + np.uint64(1))).tolist()
    for start, end in zip(bounds, [*bounds[1:], len(records)], strict=True):
        views = (
            _member(record, place, batch[IMAGE_ID][place], analyses[place])
            for record, place in zip(records[start:end], places[start:end].tolist(), strict=True)
        )
        members = [member for member in views if member]
        key = int(records["key"][start])
        for kind, order, *pair in _pairs_of_frame(key, members, risks, index, left_out):
            concept = concepts[pair[0].slot.reading.entry.concept]
            sides = [
                (int(rows[one.place]), one.image_id, one.slot.start, one.slot.end, 0 if one.is_whole else one.end)
                for one in pair
            ]
            found.append((kind, concept, order, key, *zip(*sides, strict=True)))
    return np.array(found, CANDIDATE)


def draw_pairs(candidates: np.ndarray, left_out: Counter[str]) -> np.ndarray:
    """Draw pairs so that no photo is in two of them, which makes pairs independent, and no frame has many.

    Exact twins are drawn first, then those of one frame, then beginnings. Of one kind, photos with few candidates come
    first, so that more pairs are found. The order of the candidates decides nothing.

    Args:
        candidates: (N,) of `CANDIDATE`.
        left_out: Counts those that are not drawn, by reason.

    Returns:
        (M,) of `CANDIDATE`, in the order in which they are drawn.
    """
    photos, inverse = np.unique(candidates["image_id"], return_inverse=True)
    inverse = inverse.reshape(-1, 2)
    often = np.sort(np.bincount(inverse.ravel(), minlength=len(photos))[inverse], axis=1)
    ids = candidates["image_id"]
    ranks = (ids[:, 1], ids[:, 0], candidates["order"], often[:, 1], often[:, 0], candidates["kind"])
    is_free = np.ones(len(photos), dtype=bool)
    of_frame: Counter[int] = Counter()
    taken = []
    for i in np.lexsort(ranks):
        key = int(candidates["key"][i])
        if of_frame[key] == PER_FRAME:
            left_out[FULL] += 1
        elif is_free[inverse[i]].all():
            is_free[inverse[i]] = False
            of_frame[key] += 1
            taken.append(i)
        else:
            left_out[TAKEN] += 1
    return candidates[taken]


def to_twins(drawn: np.ndarray, captions: Mapping[int, str], index: LexiconIndex) -> list[Twin]:
    """The twins of candidates.

    Args:
        drawn: (M,) of `CANDIDATE`.
        captions: The caption of each of their rows.
        index: The vocabulary.
    """
    concepts = list(index.lexicon.concepts)
    twins = []
    for kind, concept, _order, key, *columns in drawn.tolist():
        sides = (_side(values, captions) for values in zip(*columns, strict=True))
        twins.append(Twin(KINDS[kind], key, concepts[concept], *sides))
    return twins


def _side(values: Sequence[int], captions: Mapping[int, str]) -> Side:
    row, image_id, start, stop, end = values
    caption = captions[row]
    words = split_words(caption)
    text = caption[: locate_words(caption, words, 0, end)[1]] if end else caption
    return Side(row, image_id, text.strip(), " ".join(words[start:stop]))
