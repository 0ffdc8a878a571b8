"""The concepts as data: words for objects, colors, sizes and locations, and which of them exclude each other."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from ..file_digests import files_digest
from .vocabulary_files import by_word, check_names, read_data, read_nouns, read_phrases, read_senses


CONCEPTS = ("object", "color", "size", "location")  # the paper's four, ALVR 2024
FURTHER_CONCEPTS = ("number", "negation")  # shipped, and used only where they are named
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
    fixed: frozenset[tuple[str, ...]] = frozenset()
    parts: Mapping[str, frozenset[str]] = field(default_factory=dict)
    subjects: frozenset[str] = frozenset()
    otherwise: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    after: Mapping[str, frozenset[str]] = field(default_factory=dict)
    unfit: Mapping[str, frozenset[str]] = field(default_factory=dict)
    fit: Mapping[str, frozenset[str]] = field(default_factory=dict)
    written: Mapping[str, str] = field(default_factory=dict)
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


def _read_concept(file: Path) -> Concept:
    data = read_data(file)
    entries = _read_entries(file, data)
    names = {entry.name for entry in entries}
    kinds = {kind: {entry.name for entry in entries if entry.kind == kind} for kind in data["kinds"]}
    synonyms = tuple(frozenset(map(str, group)) for group in data.get("synonyms") or ())
    groups = (*(frozenset(map(str, group)) for group in data.get("compatible") or ()), *synonyms)
    hypernyms = by_word(data.get("hypernyms"), kinds)
    mass = frozenset(map(str, data.get("mass") or ()))
    disagree = by_word(data.get("disagree"), kinds)
    check_names(file, data, names)
    idioms = read_phrases(data.get("idioms"))
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
        **read_senses(data, kinds),
        **read_nouns(file, data),
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
    idioms, fixed = (frozenset().union(*found) for found in zip(*((c.idioms, c.fixed) for c in read), strict=True))
    return Lexicon(concepts, forms, hypernyms, idioms, fixed - idioms)
