"""The concepts as data: which words speak of objects, colors, sizes and locations, and which exclude each other."""

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import yaml


CONCEPTS = ("object", "color", "size", "location")  # the paper's four, ALVR 2024


@dataclass(frozen=True)
class Entry:
    """One word or phrase of a concept.

    Attributes:
        concept: "object", "color", "size", "location" or a concept of the user's.
        name: The singular, which stands for the entry in `Lexicon.opposed` and `Lexicon.mentions`.
        kind: Entries replace each other only within a kind.
        forms: Lower-case surface forms, singular first; words that do not inflect have one.
    """

    concept: str
    name: str
    kind: str
    forms: tuple[str, ...]


@dataclass(frozen=True)
class Concept:
    """A concept's entries, the spaCy tags its last word may have, and the sets of names that can be true together."""

    name: str
    tags: frozenset[str]
    entries: tuple[Entry, ...]
    compatible: tuple[frozenset[str], ...]
    modifier: bool


@dataclass(frozen=True)
class Lexicon:
    """Concepts with an index from surface form to entry."""

    concepts: dict[str, Concept]
    forms: dict[tuple[str, ...], tuple[tuple[Entry, int], ...]]

    @property
    def longest(self) -> int:
        """The largest number of words in a surface form."""
        return max(map(len, self.forms))

    def opposed(self, entry: Entry) -> list[Entry]:
        """Entries of the same kind that cannot be true of the same thing: the possible replacements, in file order."""
        concept = self.concepts[entry.concept]
        clash = {entry.name}.union(*(names for names in concept.compatible if entry.name in names))
        return [other for other in concept.entries if other.kind == entry.kind and other.name not in clash]

    def implied(self, entry: Entry) -> frozenset[str]:
        """The names that may be true wherever `entry` is: its own and every compatible one."""
        groups = self.concepts[entry.concept].compatible
        return frozenset({entry.name}.union(*(names for names in groups if entry.name in names)))

    def mentions(self, text: str) -> frozenset[tuple[str, str]]:
        """The (concept, name) pairs whose surface form occurs in `text`, whole words in any case, by words alone."""
        words = re.findall(r"\w+", text.lower())
        found = set()
        for start in range(len(words)):
            for length in range(1, min(self.longest, len(words) - start) + 1):
                for entry, _ in self.forms.get(tuple(words[start : start + length]), ()):
                    found.add((entry.concept, entry.name))
        return frozenset(found)


def _read_concept(file: Path) -> Concept:
    data = yaml.safe_load(file.read_text(encoding="utf-8"))
    missing = {"concept", "tags", "kinds"} - set(data if isinstance(data, dict) else ())
    if missing:
        raise ValueError(f"Vocabulary {file.name} lacks {sorted(missing)}: it needs concept, tags and kinds.")
    entries = []
    for kind, words in data["kinds"].items():
        for word in words:
            forms = tuple(form.strip().lower() for form in str(word).split("/"))
            entries.append(Entry(data["concept"], forms[0], kind, forms))
    groups = tuple(frozenset(group) for group in data.get("compatible", []))
    unknown = frozenset().union(*groups) - {entry.name for entry in entries}
    if unknown:
        raise ValueError(
            f"Vocabulary {file.name}: compatible names {sorted(unknown)} stand in no kind; add or mend them."
        )
    return Concept(data["concept"], frozenset(data["tags"]), tuple(entries), groups, bool(data.get("modifier", False)))


@lru_cache
def load_lexicon(names: tuple[str, ...] = CONCEPTS) -> Lexicon:
    """Read the named concepts from this package's vocabulary files.

    Raises:
        ValueError: If a concept has no file here or the file is broken; the message says which and what to do.
    """
    folder = Path(__file__).parent
    unknown = [name for name in names if not (folder / f"{name}.yaml").is_file()]
    if unknown or not names:
        raise ValueError(f"Unknown concepts {unknown}; this package has {', '.join(CONCEPTS)}.")
    concepts = {name: _read_concept(folder / f"{name}.yaml") for name in names}
    forms: dict[tuple[str, ...], tuple[tuple[Entry, int], ...]] = {}
    for concept in concepts.values():
        for entry in concept.entries:
            for number, form in enumerate(entry.forms):
                key = tuple(form.split())
                # "sheep" is its own plural: keep the first reading only, the article decides nothing here.
                if all(known != entry for known, _ in forms.get(key, ())):
                    forms[key] = (*forms.get(key, ()), (entry, number))
    return Lexicon(concepts, forms)
