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
_NEEDED = ("concept", "tags", "kinds")
_WORD_LISTS = ("compatible", "synonyms", "hypernyms", "idioms", "ambiguous", "mass", "attributive", "disagree")
_SENSES = ("fixed", "parts", "subjects", "otherwise", "after", "unfit", "fit")
_KNOWN = (*_NEEDED, "modifier", *_WORD_LISTS, *_SENSES)
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
        fixed: Phrases whose first word is bound to the others ("brown bear"). It is no slot, the others are.
        parts: From names to the names of which they are parts. A caption of a whole has no slot for the part.
        subjects: Kinds that act. A word right after one is a verb ("a man skateboards") or ends a name.
        otherwise: From (kind, form) to words of a caption that give the form another meaning ("batter": "cake").
        after: From kinds to the words that stand before them. Elsewhere their words mean something else.
        unfit: From words before a noun to the names that do not follow them ("at": "rug").
        fit: From phrases before a noun to the only names that follow them ("loaf of": "bread").
        written: From lower-case forms to how they are written, where that differs ("tv": "TV").
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
    fixed: frozenset[tuple[str, ...]] = frozenset()
    parts: Mapping[str, frozenset[str]] = field(default_factory=dict)
    subjects: frozenset[str] = frozenset()
    otherwise: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    after: Mapping[str, frozenset[str]] = field(default_factory=dict)
    unfit: Mapping[str, frozenset[str]] = field(default_factory=dict)
    fit: Mapping[str, frozenset[str]] = field(default_factory=dict)
    written: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def is_nouns(self) -> bool:
        """Whether all words are nouns. A noun after one then shows that it is not the head: "car door"."""
        return all(tag.startswith("NN") for tag in self.tags)

    def is_ambiguous(self, words: tuple[str, ...]) -> bool:
        """Whether the tagger decides on every occurrence of the phrase."""
        return self.ambiguous is None or " ".join(words) in self.ambiguous


@dataclass(frozen=True)
class Lexicon:
    """Concepts, indices from surface form to entry and from hypernym to (concept, form), idioms and fixed phrases."""

    concepts: dict[str, Concept]
    forms: dict[tuple[str, ...], tuple[tuple[Entry, int], ...]]
    hypernyms: dict[tuple[str, ...], frozenset[tuple[str, str]]]
    idioms: frozenset[tuple[str, ...]]
    fixed: frozenset[tuple[str, ...]]

    def opposed(self, entry: Entry) -> list[Entry]:
        """The possible replacements: entries of the same kind that cannot be true of the same thing, in file order."""
        concept = self.concepts[entry.concept]
        clash = {entry.name}.union(*(names for names in concept.compatible if entry.name in names))
        return [other for other in concept.entries if other.kind == entry.kind and other.name not in clash]

    def implied(self, entry: Entry) -> frozenset[str]:
        """Names of which one may be true with the entry: its own, compatible ones, hypernyms, hyponyms and wholes."""
        concept = self.concepts[entry.concept]
        above = {form for form, names in concept.hypernyms.items() if entry.name in names}
        below = concept.hypernyms.get(entry.name, frozenset())
        wholes = concept.parts.get(entry.name, frozenset())
        return frozenset(above.union({entry.name}, below, wholes, *(c for c in concept.compatible if entry.name in c)))


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


def _read_entries(file: Path, data: Mapping[str, Any]) -> list[Entry]:
    """The entries of a vocabulary, in file order."""
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
    return entries


def _by_word(told: Mapping[Any, Sequence[Any]] | None, entries: Sequence[Entry]) -> dict[str, frozenset[str]]:
    """Read what stands behind words or phrases, of which several share a line: names, or whole kinds of names."""
    kinds, names = {entry.kind for entry in entries}, {entry.name for entry in entries}
    found: dict[str, frozenset[str]] = {}
    for words, below in (told or {}).items():
        members = frozenset(entry.name for entry in entries if entry.kind in below)
        members |= {name for name in map(str, below) if name in names or name not in kinds}
        for word in str(words).split("/"):
            found[word.strip().lower()] = found.get(word.strip().lower(), frozenset()) | members
    return found


def _phrases(told: Sequence[Word] | None) -> frozenset[tuple[str, ...]]:
    """Phrases as tuples of lower-case words."""
    return frozenset(tuple(str(phrase).lower().split()) for phrase in told or ())


def _read_senses(data: Mapping[str, Any], entries: Sequence[Entry]) -> dict[str, Any]:
    """The keys that say when a word has another meaning, and what fits beside others."""
    return {
        "fixed": _phrases(data.get("fixed")),
        "parts": _by_word(data.get("parts"), entries),
        "subjects": frozenset(data.get("subjects") or ()),
        "otherwise": {
            (kind, form): frozenset(map(str, context))
            for kind, words in (data.get("otherwise") or {}).items()
            for forms, context in words.items()
            for form in str(forms).split("/")
        },
        "after": {kind: frozenset(map(str, words)) for kind, words in (data.get("after") or {}).items()},
        "unfit": _by_word(data.get("unfit"), entries),
        "fit": _by_word(data.get("fit"), entries),
        "written": {
            form.strip().lower(): form.strip()
            for words in data["kinds"].values()
            for word in words
            for form in str(word).split("/")
            if not form.islower()
        },
    }


def _read_concept(file: Path) -> Concept:
    data = _read_data(file)
    entries = _read_entries(file, data)
    names = {entry.name for entry in entries}
    synonyms = tuple(frozenset(map(str, group)) for group in data.get("synonyms") or ())
    groups = (*(frozenset(map(str, group)) for group in data.get("compatible") or ()), *synonyms)
    hypernyms = _by_word(data.get("hypernyms"), entries)
    mass = frozenset(map(str, data.get("mass") or ()))
    disagree = _by_word(data.get("disagree"), entries)
    _check_names(file, data, names)
    idioms = _phrases(data.get("idioms"))
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
        **_read_senses(data, entries),
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
            f"Unknown concepts {unknown}; this package has {', '.join(CONCEPTS)}, and a path to a YAML or JSON file "
            "names one of your own."
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
    idioms, fixed = (frozenset().union(*found) for found in zip(*((c.idioms, c.fixed) for c in read), strict=True))
    return Lexicon(concepts, forms, hypernyms, idioms, fixed - idioms)
