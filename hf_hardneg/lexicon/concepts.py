"""The concepts as data: words for objects, colors, sizes and locations, and which of them exclude each other."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NotRequired

from typing_extensions import TypedDict

from ..file_digests import files_digest
from ..json_files import MAX_SHOWN, check_shape
from ..suggestions import did_you_mean
from ..yaml_files import read_yaml


CONCEPTS = ("object", "color", "size", "location")  # the paper's four, ALVR 2024
FURTHER_CONCEPTS = ("number", "negation")  # shipped, and used only where they are named
# Types of nouns that no vocabulary lists: no noun phrase, a pronoun, any noun, and a plural without a determiner.
NO_NOUN, PRONOUN, OTHER, PLURAL = FIXED_TYPES = ("none", "pronoun", "other", "plural")
_NEEDED = ("concept", "tags", "kinds")
_WORD_LISTS = ("compatible", "synonyms", "hypernyms", "idioms", "ambiguous", "mass", "attributive", "disagree")
_KNOWN = (*_NEEDED, "modifier", *_WORD_LISTS, "nouns", "before", "not_after", "not_before", "repeats")

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
    nouns: NotRequired[dict[str, list[Word]] | None]
    before: NotRequired[dict[str, list[str]] | None]
    not_after: NotRequired[list[Word] | None]
    not_before: NotRequired[list[Word] | None]
    repeats: NotRequired[bool | None]


_FILES = (".yaml", ".yml", ".json")  # endings of a user's vocabulary file; any other name is a concept of this package


@dataclass(frozen=True)
class Entry:
    """One word or phrase of a concept.

    Attributes:
        concept: "object", "color", "size", "location" or a concept of the user's.
        name: The singular, or the plural of words like "scissors". It identifies the entry within its concept.
        kind: Its kind. Entries replace each other only within a kind.
        forms: Lower-case surface forms, singular first ("" where there is none); words that do not inflect have one.
    """

    concept: str
    name: str
    kind: str
    forms: tuple[str, ...]


@dataclass(frozen=True)
class Concept:
    """One vocabulary file.

    Attributes:
        name: What the file calls its concept.
        tags: The spaCy tags that an entry's last word may have.
        entries: In file order.
        compatible: Sets of names that can be true of the same thing.
        hypernyms: From each surface form of a hypernym to the names of the entries below it.
        idioms: Phrases in which the words do not mean what the entries mean.
        modifier: Whether the words describe a noun.
        ambiguous: Forms that often have another meaning; the tagger decides on them. None means all forms.
        mass: Names of mass nouns, which replace others only after "the" and the like.
        synonyms: Sets of names that mean the same, for hard positives; they are compatible, too.
        attributive: Nouns that describe other nouns, as adjectives do. After another noun, one is half of a name.
        disagree: From words of a caption to the names that do not go with them ("his": "woman").
        noun_types: The types of nouns, by surface form.
        before: From kinds to the types of nouns that their words stand before. Other kinds stand anywhere.
        not_after: Words after which the words of these kinds mean something else ("covered in").
        not_before: Words before which they do ("with some").
        repeats: Whether the same word elsewhere is said of other things, and so says nothing of this one ("with").
    """

    name: str
    tags: frozenset[str]
    entries: tuple[Entry, ...]
    compatible: tuple[frozenset[str], ...]
    hypernyms: Mapping[str, frozenset[str]]
    idioms: frozenset[tuple[str, ...]]
    modifier: bool
    ambiguous: frozenset[str] | None = None
    synonyms: tuple[frozenset[str], ...] = ()
    mass: frozenset[str] = frozenset()
    attributive: frozenset[str] = frozenset()
    disagree: Mapping[str, frozenset[str]] = field(default_factory=dict)
    noun_types: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    before: Mapping[str, frozenset[str]] = field(default_factory=dict)
    not_after: frozenset[str] = frozenset()
    not_before: frozenset[str] = frozenset()
    repeats: bool = False

    @cached_property
    def is_nouns(self) -> bool:
        """Whether all words are nouns. A noun after one then shows that it is not the head: "car door"."""
        return all(tag.startswith("NN") for tag in self.tags)

    def mention_name(self, entry_kind: str, name: str) -> str:
        """What a text mentions that holds a word: of a word that a noun decides on, the kind as well."""
        return f"{name} {entry_kind}" if entry_kind in self.before else name

    def is_ambiguous(self, words: tuple[str, ...]) -> bool:
        """Whether the tagger decides on every occurrence of the phrase."""
        return self.ambiguous is None or " ".join(words) in self.ambiguous


@dataclass(frozen=True)
class Lexicon:
    """Concepts with an index from surface form to entry, one from hypernym to (concept, form), and all idioms."""

    concepts: dict[str, Concept]
    forms: dict[tuple[str, ...], tuple[tuple[Entry, int], ...]]
    hypernyms: dict[tuple[str, ...], frozenset[tuple[str, str]]]
    idioms: frozenset[tuple[str, ...]]

    def opposed(self, entry: Entry) -> list[Entry]:
        """The possible replacements: entries of the same kind that cannot be true of the same thing, in file order."""
        concept = self.concepts[entry.concept]
        clash = {entry.name}.union(*(names for names in concept.compatible if entry.name in names))
        return [other for other in concept.entries if other.kind == entry.kind and other.name not in clash]

    def implied(self, entry: Entry) -> frozenset[str]:
        """Names that may be true of the same thing: the entry's own, compatible ones, its hypernyms and hyponyms."""
        concept = self.concepts[entry.concept]
        above = {form for form, names in concept.hypernyms.items() if entry.name in names}
        below = concept.hypernyms.get(entry.name, frozenset())
        return frozenset(above.union({entry.name}, below, *(c for c in concept.compatible if entry.name in c)))


def _read_data(file: Path) -> dict[str, Any]:
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


def _check_names(file: Path, data: Mapping[str, Any], names: Set[str]) -> None:
    """Raise if what a vocabulary says of words is said of words that it does not have."""
    for key in ("compatible", "synonyms", "hypernyms", "disagree", "mass"):
        told = data.get(key) or ()
        groups = {f"{key}.{above}": below for above, below in told.items()} if isinstance(told, dict) else {key: told}
        for place, words in groups.items():
            listed = (word for one in words for word in (one if isinstance(one, list) else [one]))
            allowed = names | data["kinds"].keys() if key == "hypernyms" else names
            unknown = sorted({str(word) for word in listed} - allowed)
            if unknown:
                raise ValueError(
                    f"Vocabulary {file.name}: {place} names {_shorten(unknown)}, which stand in no kind of kinds; add "
                    "or mend them."
                )


def _read_nouns(file: Path, data: Mapping[str, Any]) -> tuple[dict[str, tuple[str, ...]], dict[str, frozenset[str]]]:
    """`Concept.noun_types` and `Concept.before`.

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
    return types, {kind: frozenset(of_kind) for kind, of_kind in before.items()}


def _shorten(words: Sequence[str]) -> list[str]:
    """Words as an error shows them."""
    return [word if len(word) <= MAX_SHOWN else f"{word[:MAX_SHOWN]}..." for word in words[:MAX_SHOWN]]


def _read_concept(file: Path) -> Concept:
    data = _read_data(file)
    entries = []
    for kind, words in data["kinds"].items():
        for word in words:
            if isinstance(word, bool):
                raise ValueError(
                    f'Vocabulary {file.name}: kind {kind!r} has a yes/no value; YAML wants "on" in quotes.'
                )
            forms = tuple(form.strip().lower() for form in str(word).split("/"))
            if not any(forms):
                raise ValueError(f"Vocabulary {file.name}: kind {kind!r} holds an empty word.")
            entries.append(Entry(data["concept"], forms[0] or forms[1], kind, forms))
    names = {entry.name for entry in entries}
    synonyms = tuple(frozenset(map(str, group)) for group in data.get("synonyms") or ())
    groups = (*(frozenset(map(str, group)) for group in data.get("compatible") or ()), *synonyms)
    hypernyms = {}
    for above, below in (data.get("hypernyms") or {}).items():
        members = frozenset(entry.name for entry in entries if entry.kind in below)
        members |= frozenset(map(str, below)) - data["kinds"].keys()
        hypernyms.update({form.strip().lower(): members for form in str(above).split("/")})
    mass = frozenset(map(str, data.get("mass") or ()))
    disagree = {
        word.strip().lower(): frozenset(map(str, below))
        for words, below in (data.get("disagree") or {}).items()
        for word in str(words).split("/")
    }
    _check_names(file, data, names)
    idioms = frozenset(tuple(str(phrase).lower().split()) for phrase in data.get("idioms") or ())
    known = {form for entry in entries for form in entry.forms}
    both = sorted(" ".join(idiom) for idiom in idioms if " ".join(idiom) in known)
    if both:
        raise ValueError(f"Vocabulary {file.name}: {both} are both idioms and words to swap; keep one.")
    modifier = bool(data.get("modifier", False))
    ambiguous = None if data.get("ambiguous") is None else frozenset(map(str, data["ambiguous"]))
    if ambiguous and ambiguous - known:
        raise ValueError(
            f"Vocabulary {file.name}: the ambiguous {sorted(ambiguous - known)} are no words of its kinds."
        )
    noun_types, before = _read_nouns(file, data)
    return Concept(
        data["concept"],
        frozenset(data["tags"]),
        tuple(entries),
        groups,
        hypernyms,
        idioms,
        modifier,
        ambiguous,
        synonyms,
        mass,
        frozenset(map(str, data.get("attributive") or ())),
        disagree,
        noun_types,
        before,
        frozenset(str(word).lower() for word in data.get("not_after") or ()),
        frozenset(str(word).lower() for word in data.get("not_before") or ()),
        bool(data.get("repeats", False)),
    )


def vocabularies_digest(names: tuple[str, ...]) -> str:
    """A digest of the user's own files among the concepts. An edited file gives another cache key."""
    return files_digest(Path(name) for name in names if name.endswith(_FILES))


FileVersion = tuple[int, int, int] | None


def file_versions(names: tuple[str, ...]) -> tuple[FileVersion, ...]:
    """What changes when somebody edits a vocabulary file of the user's: part of the key of what is kept of it.

    Args:
        names: As `load_lexicon` takes them.

    Returns:
        For each name the number, time in nanoseconds and size of its file; None for a concept of this package.
    """
    own = [Path(name) if name.endswith(_FILES) else None for name in names]
    stats = [file.stat() if file is not None and file.is_file() else None for file in own]
    return tuple(stat and (stat.st_ino, stat.st_mtime_ns, stat.st_size) for stat in stats)


def load_lexicon(names: tuple[str, ...] = CONCEPTS) -> Lexicon:
    """Read concepts, each named by one of this package's vocabulary files or by a YAML or JSON file of the user's.

    Examples:
        >>> [entry.name for entry in load_lexicon(("size",)).concepts["size"].entries][:2]
        ['large', 'big']

    Raises:
        ValueError: If a concept has no file, two have the same name, or a file is broken; the message says which and
            what to do.
    """
    return _load_lexicon(names, file_versions(names))


@lru_cache
def _load_lexicon(names: tuple[str, ...], versions: tuple[FileVersion, ...]) -> Lexicon:
    folder = Path(__file__).parent
    files = [Path(name) if name.endswith(_FILES) else folder / f"{name}.yaml" for name in names]
    unknown = [name for name, file in zip(names, files, strict=True) if not file.is_file()]
    if unknown or not names:
        raise ValueError(
            f"Unknown concepts {unknown}; this package has {', '.join(CONCEPTS + FURTHER_CONCEPTS)}, and a path to a "
            "YAML or JSON file names one of your own."
        )
    read = [_read_concept(file) for file in files]
    concepts = {concept.name: concept for concept in read}
    if len(concepts) < len(read):
        raise ValueError(f"Of the concepts {list(names)}, two are called {[c.name for c in read]}; rename one.")
    forms: dict[tuple[str, ...], tuple[tuple[Entry, int], ...]] = {}
    for concept in concepts.values():
        for entry in concept.entries:
            for number, form in enumerate(entry.forms):
                if not form:
                    continue
                key = tuple(form.split())
                # "sheep" is its own plural: keep the first reading only, the article decides nothing here.
                if all(known != entry for known, _ in forms.get(key, ())):
                    forms[key] = (*forms.get(key, ()), (entry, number))
    hypernyms: dict[tuple[str, ...], frozenset[tuple[str, str]]] = {}
    for concept in concepts.values():
        for form in concept.hypernyms:
            key = tuple(form.split())
            hypernyms[key] = hypernyms.get(key, frozenset()) | {(concept.name, form)}
    return Lexicon(concepts, forms, hypernyms, frozenset().union(*(c.idioms for c in read)))
