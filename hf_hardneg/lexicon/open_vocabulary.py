"""The open concept: any noun or adjective that spaCy finds in the captions, as a file that people can review."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

import yaml

from ..atomic_folder import check_file
from .index import LexiconIndex, load_index
from .tagging import load_tagger


HEADER = "# Nouns and adjectives of the captions, made by hf-hardneg vocabulary. Delete what should not be swapped.\n"
KINDS = {"NN": "noun", "NNS": "plural noun", "JJ": "adjective"}
MIN_COUNT = 20  # captions that use a word, at least: rarer ones are mostly misspelled
MIN_SHARE = 0.9  # of a word's uses that have one tag: others are too easily meant otherwise
# Words of captions that name no thing in the picture, or a thing that any picture may have.
TOO_VAGUE = frozenset(
    "area background bunch close couple day different display edge end few front group image item items kind kinds "
    "lot lots many middle next number other others own pair part people person photo photograph picture pictures "
    "piece pieces ready row same scene set several side sides something such thing things top type types variety "
    "various view way".split()
)


def count_tagged(captions: Iterable[str]) -> dict[str, Counter[str]]:
    """How many times each lower-case word has each tag, by spaCy's tagger over whole captions."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for doc in load_tagger().pipe((caption.lower() for caption in captions), batch_size=256):
        for token in doc:
            counts[token.text][token.tag_] += 1
    return counts


def choose_words(
    counts: dict[str, Counter[str]], index: LexiconIndex, min_count: int = MIN_COUNT
) -> dict[str, list[str]]:
    """Words by kind, most common first, without those that the concepts of `index` know already.

    Args:
        counts: From `count_tagged`.
        index: A compiled lexicon; its words, hypernyms and idioms are left out.
        min_count: The fewest uses of a word.
    """
    kinds: dict[str, list[str]] = {kind: [] for kind in KINDS.values()}
    for word, tags in sorted(counts.items(), key=lambda item: (-item[1].total(), item[0])):
        [(tag, uses)] = tags.most_common(1)
        is_known = word in index.phrases and bool(index.phrases[word].single)
        if tag in KINDS and uses >= max(min_count, MIN_SHARE * tags.total()):
            if word.isalpha() and len(word) > 2 and not is_known and word not in TOO_VAGUE:
                kinds[KINDS[tag]].append(word)
    return kinds


def write_open_vocabulary(captions: Iterable[str], file: str | Path, min_count: int = MIN_COUNT) -> dict[str, int]:
    """Write a vocabulary file of the concept "open" and return how many words each kind has.

    Pass the file's path among `concepts`, after the four. Nothing is known of what these words exclude: "wall" for
    "door" may well be true, so that reviewing the file, or a larger `min_count`, pays.

    Raises:
        ValueError: If fewer than two words of every kind are common enough, or `file` cannot be such a file.
    """
    check_vocabulary_file(file)
    chosen = choose_words(count_tagged(captions), load_index(), min_count)
    kinds = {kind: words for kind, words in chosen.items() if len(words) > 1}
    if not kinds:
        raise ValueError(f"No two nouns or adjectives of these captions are used {min_count} times; lower min_count.")
    content = {"concept": "open", "tags": list(KINDS), "kinds": kinds}
    Path(file).write_text(HEADER + yaml.safe_dump(content, sort_keys=False, width=110), encoding="utf-8")
    return {kind: len(words) for kind, words in kinds.items()}


def check_vocabulary_file(file: str | Path) -> None:
    """Check that `write_open_vocabulary` can write a file.

    Raises:
        ValueError: If the file has another ending, is something else already, or cannot be written.
    """
    file = Path(file)
    if file.suffix.lower() not in (".yaml", ".yml"):
        raise ValueError(f"{file} ends in {file.suffix!r}; a vocabulary ends in .yaml: choose another --out.")
    check_file(file, "--out")
    if file.exists():
        with file.open("rb") as there:
            if there.read(len(HEADER)) != HEADER.encode():
                raise ValueError(
                    f"{file} is no file of hf-hardneg vocabulary and would be lost; choose another --out."
                )
