"""COCO's categories: their names in captions, their usual colors, and which can replace which."""

from collections.abc import Mapping

from ...lexicon.concepts import Lexicon


# Further names of the vocabulary that mean a category, beside its own name and the vocabulary's synonyms of it.
_FURTHER_NAMES = {
    "airplane": ("plane", "air plane", "jet", "jetliner", "airliner", "aircraft"),
    "bear": ("grizzly bear", "polar bear"),
    "bird": ("duck", "seagull", "goose", "pigeon", "swan", "owl", "parrot"),
    "boat": ("ship", "sailboat", "sail boat", "row boat"),
    "bus": ("double decker bus", "school bus"),
    "car": ("taxi",),
    "cat": ("kitten", "kitty cat"),
    "cell phone": ("phone", "smart phone", "smartphone"),
    "couch": ("love seat",),
    "cow": ("bull", "calf"),
    "cup": ("mug",),
    "dining table": ("table",),
    "dog": ("puppy",),
    "frisbee": ("disc",),
    "handbag": ("purse",),
    "horse": ("pony",),
    "motorcycle": ("motorbike", "motor bike", "scooter", "motor scooter"),
    "sheep": ("lamb",),
    "skis": ("ski",),
    "sports ball": ("ball", "tennis ball", "soccer ball"),
    "stop sign": ("sign",),
    "suitcase": ("luggage",),
    "teddy bear": ("stuffed animal", "stuffed bear"),
    "tennis racket": ("racket", "racquet", "tennis racquet"),
    "train": ("locomotive",),
    "truck": ("fire truck", "pickup truck"),
    "tv": ("television", "monitor", "computer monitor"),
    "wine glass": ("glass",),
}

# Where objects of a category usually are, and their longer side in meters. A cutout can replace an object if both
# have such a place in common and their true sizes are close.
# a: in the air, f: on a floor or on the ground, g: on open ground, l: lying flat, t: standing on a table or shelf.
PLACES: Mapping[str, tuple[str, float]] = {
    "airplane": ("ag", 30), "apple": ("t", 0.08), "backpack": ("f", 0.5), "banana": ("tl", 0.2), "bear": ("g", 1.8),
    "bench": ("fg", 1.6), "bicycle": ("fg", 1.7), "bird": ("agt", 0.3), "boat": ("g", 6), "book": ("tl", 0.25),
    "bottle": ("t", 0.28), "bowl": ("t", 0.2), "broccoli": ("t", 0.15), "bus": ("g", 11), "cake": ("t", 0.3),
    "car": ("g", 4.3), "carrot": ("t", 0.18), "cat": ("ft", 0.5), "cell phone": ("l", 0.14), "chair": ("fg", 0.9),
    "clock": ("t", 0.35), "couch": ("f", 1.9), "cow": ("g", 2.2), "cup": ("t", 0.12), "dog": ("fg", 0.8),
    "donut": ("tl", 0.1), "elephant": ("g", 4.5), "fire hydrant": ("fg", 0.8), "fork": ("l", 0.2),
    "frisbee": ("al", 0.27), "giraffe": ("g", 4.5), "handbag": ("ft", 0.35), "horse": ("g", 2.3),
    "hot dog": ("t", 0.18), "keyboard": ("l", 0.45), "kite": ("a", 1.5), "knife": ("l", 0.25),
    "laptop": ("t", 0.38), "microwave": ("t", 0.5), "motorcycle": ("g", 2.1), "mouse": ("l", 0.11),
    "orange": ("t", 0.08), "oven": ("f", 0.9), "parking meter": ("g", 1.4), "pizza": ("l", 0.33),
    "potted plant": ("ft", 0.6), "refrigerator": ("f", 1.7), "remote": ("l", 0.18), "sandwich": ("t", 0.16),
    "scissors": ("l", 0.2), "sheep": ("g", 1.2), "sink": ("f", 0.55), "spoon": ("l", 0.18),
    "sports ball": ("at", 0.15), "suitcase": ("fg", 0.7), "teddy bear": ("ft", 0.4), "toaster": ("t", 0.3),
    "toilet": ("f", 0.7), "toothbrush": ("l", 0.18), "train": ("g", 25), "truck": ("g", 7), "tv": ("t", 0.7),
    "umbrella": ("a", 1.0), "vase": ("t", 0.3), "wine glass": ("t", 0.2), "zebra": ("g", 2.2),
}  # fmt: skip
# If one of these is annotated, the photo was taken indoors.
INDOORS = frozenset(("bed", "couch", "keyboard", "microwave", "mouse", "oven", "refrigerator", "sink", "toilet", "tv"))
CARRIERS = frozenset(("dining table", "bed", "bench"))  # other objects stand on them, inside their masks
# One mask of these often covers a bunch or a row, so "a carrot" could be ten.
BUNCHES = frozenset(("banana", "book", "broccoli", "carrot"))
# The background shows through them, so they cannot be cut out.
TRANSPARENT = frozenset(("wine glass",))
SIZE_RATIO = 2.6  # largest ratio of the true sizes of two categories that can replace each other
# The usual colors of a category. A category that is not listed can have any of `PAINTS`.
_FUR = ("black", "white", "brown", "gray")
COLORS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("cat", "dog"), (*_FUR, "orange")),
    **dict.fromkeys(("horse", "cow", "sheep", "bear", "elephant", "zebra", "giraffe"), _FUR),
    "bird": ("black", "white", "brown", "gray", "blue", "red", "yellow", "green"),
    **dict.fromkeys(("banana", "apple"), ("red", "green", "yellow")),
    **dict.fromkeys(("sandwich", "hot dog", "pizza", "broccoli", "carrot", "orange"), ()),
    **dict.fromkeys(("cake", "donut"), ("pink", "blue", "green", "yellow", "purple", "brown")),
}
PAINTS = tuple(
    "red yellow green blue purple pink orange black brown white gray turquoise teal maroon beige tan cream".split()
)


def names_of_categories(categories: set[str], lexicon: Lexicon) -> dict[str, str]:
    """Map names of the vocabulary's objects to the categories that they mean.

    Args:
        categories: COCO's names. Those that the vocabulary does not know get no name.
        lexicon: The vocabulary.

    Returns:
        Category by name.

    Example:
        >>> from hf_hardneg.lexicon import load_lexicon
        >>> names_of_categories({"cup", "gizmo"}, load_lexicon())
        {'cup': 'cup', 'mug': 'cup'}
    """
    known = {entry.name: entry for entry in lexicon.concepts["object"].entries}
    names: dict[str, str] = {}
    for category in sorted(categories):
        same = [group for group in lexicon.concepts["object"].synonyms if category in group]
        for name in [category, *sorted(frozenset().union(*same)), *_FURTHER_NAMES.get(category, ())]:
            if name in known:
                names.setdefault(name, category)
    return names


def can_stand_for(old: str, new: str, is_indoors: bool) -> bool:
    """Return whether an object of category `new` could be where one of `old` is.

    Args:
        old: COCO's name.
        new: COCO's name.
        is_indoors: Whether the photo was taken indoors. Then a place on open ground does not count.

    Example:
        >>> can_stand_for("cup", "vase", is_indoors=True), can_stand_for("cup", "bus", is_indoors=False)
        (True, False)
    """
    if old == new or old not in PLACES or new not in PLACES or new in BUNCHES | TRANSPARENT:
        return False
    (old_places, old_size), (new_places, new_size) = PLACES[old], PLACES[new]
    shared = set(old_places) & set(new_places) - (set("g") if is_indoors else set())
    return bool(shared) and 1 / SIZE_RATIO <= new_size / old_size <= SIZE_RATIO
