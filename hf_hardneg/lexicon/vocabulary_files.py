"""The file of a vocabulary: its keys, their shapes, and the checks of what it says of its words."""

from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any, NotRequired

from typing_extensions import TypedDict

from ..json_files import MAX_SHOWN, check_shape
from ..suggestions import did_you_mean
from ..yaml_files import read_yaml


# Types of nouns that no vocabulary lists: no noun phrase, a pronoun, any noun, and a plural without a determiner.
NO_NOUN, PRONOUN, OTHER, PLURAL = FIXED_TYPES = ("none", "pronoun", "other", "plural")
_NEEDED = ("concept", "tags", "kinds")
_WORD_LISTS = ("compatible", "synonyms", "hypernyms", "idioms", "ambiguous", "mass", "attributive", "disagree")
_SENSES = ("fixed", "parts", "subjects", "otherwise", "after", "unfit", "fit")
_NOUNS = ("nouns", "before", "not_after", "not_before", "repeats")
_KNOWN = (*_NEEDED, "modifier", *_WORD_LISTS, *_SENSES, *_NOUNS)
# Keys that say something of words, or of whole kinds; and those that may only name words.
_OF_KINDS = ("hypernyms", "parts", "unfit", "fit")
_OF_WORDS = ("compatible", "synonyms", "disagree", "mass")

Word = str | int | float | bool  # YAML reads some words as numbers or as yes and no


class Vocabulary(TypedDict):
    """A vocabulary file."""

    concept: str
    tags: list[str]
    kinds: dict[str, list[Word]]
    modifier: NotRequired[bool | None]
    compatible: NotRequired[list[list[Word]] | None]
    synonyms: NotRequired[list[list[Word]] | None]
    hypernyms: NotRequired[dict[Word, list[Word]] | None]
    idioms: NotRequired[list[Word] | None]
    ambiguous: NotRequired[list[Word] | None]
    mass: NotRequired[list[Word] | None]
    attributive: NotRequired[list[Word] | None]
    disagree: NotRequired[dict[Word, list[Word]] | None]
    fixed: NotRequired[list[Word] | None]
    parts: NotRequired[dict[Word, list[Word]] | None]
    subjects: NotRequired[list[str] | None]
    otherwise: NotRequired[dict[str, dict[Word, list[Word]]] | None]
    after: NotRequired[dict[str, list[Word]] | None]
    unfit: NotRequired[dict[Word, list[Word]] | None]
    fit: NotRequired[dict[Word, list[Word]] | None]
    nouns: NotRequired[dict[str, list[Word]] | None]
    before: NotRequired[dict[str, list[str]] | None]
    not_after: NotRequired[list[Word] | None]
    not_before: NotRequired[list[Word] | None]
    repeats: NotRequired[bool | None]


def read_data(file: Path) -> dict[str, Any]:
    """The content of a YAML or JSON file (JSON is YAML), with the keys that a vocabulary has."""
    data = read_yaml(file, f"Vocabulary {file.name}")
    data = data if isinstance(data, dict) else {}
    missing = [key for key in _NEEDED if not data.get(key)]
    if missing:
        raise ValueError(f"Vocabulary {file.name} lacks {missing}: it needs concept, tags and kinds.")
    for key in data:
        if key not in _KNOWN:
            raise ValueError(f"Vocabulary {file.name} has an unknown key {key!r}.{did_you_mean(str(key), _KNOWN)}")
    check_shape(data, Vocabulary, f"Vocabulary {file.name}", "mend it")
    return data


def check_names(file: Path, data: Mapping[str, Any], names: Set[str]) -> None:
    """Raise if what a vocabulary says of words is said of words that it does not have."""
    for key in (*_OF_WORDS, *_OF_KINDS):
        told = data.get(key) or ()
        groups = {f"{key}.{above}": below for above, below in told.items()} if isinstance(told, dict) else {key: told}
        for place, words in groups.items():
            listed = (word for one in words for word in (one if isinstance(one, list) else [one]))
            allowed = names | data["kinds"].keys() if key in _OF_KINDS else names
            unknown = sorted({str(word) for word in listed} - allowed)
            if unknown:
                raise ValueError(
                    f"Vocabulary {file.name}: {place} names {_shorten(unknown)}, which stand in no kind of kinds; add "
                    "or mend them."
                )


def _shorten(words: Sequence[str]) -> list[str]:
    """Words as an error shows them."""
    return [word if len(word) <= MAX_SHOWN else f"{word[:MAX_SHOWN]}..." for word in words[:MAX_SHOWN]]


def by_word(told: Mapping[Any, Sequence[Any]] | None, kinds: Mapping[str, Set[str]]) -> dict[str, frozenset[str]]:
    """Read what stands behind words or phrases, of which several share a line: names, or whole kinds of names.

    Args:
        told: The value of a key.
        kinds: The names of each kind.
    """
    names = frozenset().union(*kinds.values())
    found: dict[str, frozenset[str]] = {}
    for words, below in (told or {}).items():
        members = frozenset().union(*(kinds[kind] for kind in below if kind in kinds))
        members |= {name for name in map(str, below) if name in names or name not in kinds}
        for word in str(words).split("/"):
            found[word.strip().lower()] = found.get(word.strip().lower(), frozenset()) | members
    return found


def read_phrases(told: Sequence[Word] | None) -> frozenset[tuple[str, ...]]:
    """Phrases as tuples of lower-case words."""
    return frozenset(tuple(str(phrase).lower().split()) for phrase in told or ())


def read_senses(data: Mapping[str, Any], kinds: Mapping[str, Set[str]]) -> dict[str, Any]:
    """The keys that say when a word has another meaning and what fits beside others, by attribute of `Concept`."""
    return {
        "fixed": read_phrases(data.get("fixed")),
        "parts": by_word(data.get("parts"), kinds),
        "subjects": frozenset(data.get("subjects") or ()),
        "otherwise": {
            (kind, form): frozenset(map(str, context))
            for kind, words in (data.get("otherwise") or {}).items()
            for forms, context in words.items()
            for form in str(forms).split("/")
        },
        "after": {kind: frozenset(map(str, words)) for kind, words in (data.get("after") or {}).items()},
        "unfit": by_word(data.get("unfit"), kinds),
        "fit": by_word(data.get("fit"), kinds),
        "written": {
            form.strip().lower(): form.strip()
            for words in data["kinds"].values()
            for word in words
            for form in str(word).split("/")
            if form != form.lower()
        },
    }


def read_nouns(file: Path, data: Mapping[str, Any]) -> dict[str, Any]:
    """The keys that say before which nouns the words of a kind stand, by attribute of `Concept`.

    Raises:
        ValueError: If a type or kind is unknown, or if before one noun a word could be of two kinds. A replacement
            could then be read as the other kind.
    """
    nouns, before = data.get("nouns") or {}, data.get("before") or {}
    unknown = sorted(before.keys() - data["kinds"].keys())
    unknown += sorted({of_kind for types in before.values() for of_kind in types} - {*nouns, *FIXED_TYPES})
    if unknown:
        raise ValueError(f"Vocabulary {file.name}: before names {unknown}, which are in neither kinds nor nouns.")
    types: dict[str, tuple[str, ...]] = {}
    for of_type, listed in nouns.items():
        for form in {form.strip().lower() for noun in listed for form in str(noun).split("/")}:
            types[form] = (*types.get(form, ()), of_type)
    for together in {*types.values(), *((of_type,) for of_type in FIXED_TYPES)}:
        kinds = [kind for kind, of_kind in before.items() if not set(of_kind).isdisjoint(together)]
        words = [str(word) for kind in kinds for word in data["kinds"][kind]]
        twice = sorted({word for word in words if words.count(word) > 1})
        if twice:
            raise ValueError(
                f"Vocabulary {file.name}: before a noun of {list(together)}, {_shorten(twice)} can be of several "
                f"of the kinds {kinds}; one word needs one kind there."
            )
    return {
        "noun_types": types,
        "before": {kind: frozenset(of_kind) for kind, of_kind in before.items()},
        "not_after": frozenset(str(word).lower() for word in data.get("not_after") or ()),
        "not_before": frozenset(str(word).lower() for word in data.get("not_before") or ()),
        "repeats": bool(data.get("repeats", False)),
    }
