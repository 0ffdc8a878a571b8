"""Rendered scenes: captioned images of things with a color, a size and a location, and exact inpainted pairs of them.

They need no download. A scene has two things in the cells of a 3 x 3 grid over a textured ground. Things are
silhouettes from the DejaVu Sans font that ships with matplotlib. A caption names both things and sometimes an
attribute, as captions of photos do. Everything follows from a seed: the same arguments give the same pixels and words
on every machine.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import cast

import matplotlib
import numpy as np
from datasets import Dataset
from PIL import Image, ImageDraw, ImageFont

from ..columns import PAIR_FEATURES, ROW_FEATURES, TWIN_ROW_FEATURES
from ..file_digests import source_digest
from ..lexicon.articles import article_for
from ..lexicon.concepts import CONCEPTS


KINDS = {
    "airplane": "✈", "anchor": "⚓", "atom": "⚛", "ball": "●", "bishop": "♝", "box": "■", "castle": "♜", "cat": "🐱",
    "cloud": "☁", "clover": "☘", "cow": "🐮", "cross": "✝", "crown": "♛", "cup": "☕", "diamond": "♦", "drum": "⛃",
    "envelope": "✉", "face": "☻", "flag": "⚑", "flower": "✿", "gear": "⚙", "hammer": "⚒", "hand": "☛", "heart": "♥",
    "horse": "♞", "house": "⌂", "keyboard": "⌨", "leaf": "❧", "lightning bolt": "⚡", "monkey": "🐵", "moon": "☾",
    "mouse": "🐭", "music note": "♫", "pawn": "♟", "pen": "✒", "pencil": "✏", "scale": "⚖", "skull": "☠",
    "snowflake": "❄", "snowman": "☃", "star": "★", "sun": "☀", "sword": "⚔", "telephone": "☎", "umbrella": "☂",
    "vase": "⚱", "wheel": "☸", "wheelchair": "♿",
}  # fmt: skip
COLORS = {
    "red": (214, 32, 36), "orange": (245, 135, 20), "yellow": (248, 222, 38), "green": (28, 150, 52),
    "blue": (28, 74, 214), "purple": (126, 40, 160), "pink": (250, 140, 190), "brown": (112, 66, 26),
    "black": (12, 12, 12), "white": (252, 252, 252),
}  # fmt: skip
SIZES = {"small": 0.6, "large": 0.95}  # longer side of the silhouette in cells
SIZE_WORDS = {"small": ("small", "little", "tiny"), "large": ("large", "big", "huge")}
GROUNDS = ((168, 178, 160), (190, 180, 160), (160, 172, 184), (176, 168, 168), (150, 156, 150), (182, 190, 192))
GRID = 3
SOURCES = ("scenes/world.py", "lexicon/articles.py")  # the code that decides a scene; in the cache key of its data
# Share of captions that mention a concept. In COCO: object 77 %, color 21 %, size 12 %, location 15 %. Here the shares
# are larger, so that a few thousand captions are enough to learn from. Every caption names its things.
MENTION_RATES = {"color": 0.35, "size": 0.25, "location": 0.5}


@dataclass(frozen=True)
class Thing:
    """One silhouette of a scene.

    Attributes:
        kind: A key of `KINDS`.
        color: A key of `COLORS`.
        size: A key of `SIZES`.
        cell: Its (row, column) in the grid, each 0 to 2, from the top left.
    """

    kind: str
    color: str
    size: str
    cell: tuple[int, int]


@dataclass(frozen=True)
class Scene:
    """Things in different cells, and the seed of the color and texture of the ground."""

    things: tuple[Thing, ...]
    ground: int


@dataclass(frozen=True)
class Wording:
    """How a caption describes a scene, so that the same wording can describe the two scenes of a pair.

    Attributes:
        frame: Index of `FRAMES`.
        first: Index of the thing that is named first, 0 or 1.
        mentions: For each thing, the concepts that the caption mentions.
        axis: For each thing, the direction of its location: 0 for top and bottom, 1 for left and right.
        size_word: Index of the word in `SIZE_WORDS`.
        spot: Index of the phrase in `SPOTS`.
    """

    frame: int
    first: int
    mentions: tuple[frozenset[str], ...]
    axis: tuple[int, ...]
    size_word: int
    spot: int


def sample_scene(rng: random.Random) -> Scene:
    """Sample a scene of two things of different kinds; colors, sizes and cells are uniform."""
    kinds = rng.sample(sorted(KINDS), 2)
    cells = rng.sample([(row, column) for row in range(GRID) for column in range(GRID)], 2)
    things = tuple(
        Thing(kind, rng.choice(sorted(COLORS)), rng.choice(sorted(SIZES)), cell)
        for kind, cell in zip(kinds, cells, strict=True)
    )
    return Scene(things, rng.getrandbits(32))


@lru_cache(maxsize=4096)
def _silhouette(kind: str, side: int) -> Image.Image:
    """The silhouette of a kind: a cropped image of mode L, whose longer side has `side` pixels."""
    font_file = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    font = ImageFont.truetype(str(font_file), 128)
    left, top, right, bottom = font.getbbox(KINDS[kind], stroke_width=3)
    image = Image.new("L", (int(right - left), int(bottom - top)))
    # Without the stroke, the color of thin silhouettes a dozen pixels wide is hard to see.
    ImageDraw.Draw(image).text((-left, -top), KINDS[kind], fill=255, font=font, stroke_width=3)
    scale = side / max(image.size)
    return image.resize(
        (max(1, round(image.width * scale)), max(1, round(image.height * scale))), Image.Resampling.BOX
    )


def _draw_ground(seed: int, side: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    color = np.array(GROUNDS[rng.integers(len(GROUNDS))]) + rng.normal(0, 8, 3)
    coarse = Image.fromarray(rng.integers(0, 256, (5, 5), dtype=np.uint8)).resize(
        (side, side), Image.Resampling.BICUBIC
    )
    waves = (np.asarray(coarse, dtype=np.float32)[..., None] / 255 - 0.5) * 50
    grain = rng.normal(0, 4, (side, side, 1))
    return Image.fromarray((color + waves + grain).clip(0, 255).astype(np.uint8))


def _thing_mask(thing: Thing, cell: int) -> Image.Image:
    """The pixels of a thing on the whole canvas, mode L; each thing is in the center of its cell."""
    mask = Image.new("L", (GRID * cell, GRID * cell))
    shape = _silhouette(thing.kind, max(1, round(SIZES[thing.size] * cell)))
    row, column = thing.cell
    mask.paste(shape, (column * cell + (cell - shape.width) // 2, row * cell + (cell - shape.height) // 2))
    return mask


def draw_scene(scene: Scene, cell: int = 16) -> Image.Image:
    """Render a scene as an RGB image of 3 x `cell` pixels a side."""
    image = _draw_ground(scene.ground, GRID * cell)
    for thing in scene.things:
        image.paste(COLORS[thing.color], mask=_thing_mask(thing, cell))
    return image


FRAMES = (
    "{0} and {1}",
    "{0} with {1}",
    "{0} near {1}",
    "{0} by {1}",
    "there is {0} and {1}",
    "a photo of {0} and {1}",
)
SPOTS = (("at the {0}", "near the {0}"), ("on the {0}", "to the {0}"))
EDGES = (("top", "middle", "bottom"), ("left", "middle", "right"))


def describe_scene(scene: Scene, wording: Wording) -> str:
    """Describe a scene in a wording: lower case, no full stop, with the right a/an."""
    phrases = []
    for i in (wording.first, 1 - wording.first):
        thing, mentioned, axis = scene.things[i], wording.mentions[i], wording.axis[i]
        words = [SIZE_WORDS[thing.size][wording.size_word]] if "size" in mentioned else []
        words += [thing.color] if "color" in mentioned else []
        words += [thing.kind]
        words += [SPOTS[axis][wording.spot].format(EDGES[axis][thing.cell[axis]])] if "location" in mentioned else []
        phrases.append(f"{article_for(words[0])} {' '.join(words)}")
    return FRAMES[wording.frame].format(*phrases)


def _axes(thing: Thing) -> list[int]:
    """The axes along which a thing is at an edge, so that a caption can name its location."""
    return [axis for axis in (0, 1) if thing.cell[axis] != 1]


def sample_wording(rng: random.Random, scene: Scene, rates: dict[str, float]) -> Wording:
    """Sample a wording; `rates` maps color, size and location to the share of captions that mention them, 0 to 1."""
    mentions: list[set[str]] = [set(), set()]
    for concept, rate in rates.items():
        if rng.random() < rate:
            described = [0, 1] if rng.random() < 0.5 else [rng.randrange(2)]
            for i in described:
                if concept != "location" or _axes(scene.things[i]):
                    mentions[i].add(concept)
    axis = tuple(rng.choice(_axes(thing) or [0]) for thing in scene.things)
    frozen = tuple(map(frozenset, mentions))
    return Wording(
        rng.randrange(len(FRAMES)), rng.randrange(2), frozen, axis, rng.randrange(3), rng.randrange(len(SPOTS[0]))
    )


def _change_thing(rng: random.Random, thing: Thing, concept: str, axis: int, taken: set[str]) -> Thing:
    """Change one concept of a thing; a location is mirrored along `axis`."""
    if concept == "object":
        return replace(thing, kind=rng.choice(sorted(KINDS.keys() - taken)))
    if concept == "color":
        return replace(thing, color=rng.choice(sorted(COLORS.keys() - {thing.color})))
    if concept == "size":
        return replace(thing, size="small" if thing.size == "large" else "large")
    row, column = thing.cell
    return replace(thing, cell=(GRID - 1 - row, column) if axis == 0 else (row, GRID - 1 - column))


def sample_pair(rng: random.Random, concept: str, cell: int = 16) -> dict[str, object]:
    """Sample an exact inpainted pair: a scene, the same scene with one concept of one thing changed, and two captions.

    Args:
        rng: Decides everything.
        concept: "object", "color", "size" or "location".
        cell: Side of a grid cell in pixels.

    Returns:
        A row with the columns of InpaintCOCO, `columns.PAIR_FEATURES`. The images are RGB, 3 x `cell` pixels a side.
        They are equal outside of `mask` (mode L, 0 or 255). The captions differ only in the words for the concept.

    Raises:
        ValueError: If the concept is none of the four.
    """
    if concept not in CONCEPTS:
        raise ValueError(f"Unknown concept {concept!r}; scenes know {', '.join(CONCEPTS)}.")
    while True:
        scene = sample_scene(rng)
        wording = sample_wording(rng, scene, MENTION_RATES)
        i = rng.randrange(2)
        if concept != "object" and concept not in wording.mentions[i]:
            continue
        taken = {thing.kind for thing in scene.things}
        changed = _change_thing(rng, scene.things[i], concept, wording.axis[i], taken)
        if changed.cell == scene.things[1 - i].cell:
            continue
        break
    twin = replace(scene, things=tuple(changed if j == i else thing for j, thing in enumerate(scene.things)))
    covered = np.maximum(*(np.asarray(_thing_mask(thing, cell)) for thing in (scene.things[i], changed)))
    return {
        "concept": concept,
        "coco_caption": describe_scene(scene, wording),
        "coco_image": draw_scene(scene, cell),
        "inpaint_caption": describe_scene(twin, wording),
        "inpaint_image": draw_scene(twin, cell),
        "mask": Image.fromarray(np.where(covered > 0, 255, 0).astype(np.uint8)),
    }


def _generate_rows(seed: str, size: int, rates: dict[str, float], sources: str) -> Iterator[dict[str, object]]:
    for i in range(size):
        rng = random.Random(f"{seed}/{i}")
        scene = sample_scene(rng)
        caption = describe_scene(scene, sample_wording(rng, scene, rates))
        yield {"image": draw_scene(scene), "image_id": i, "caption": caption, "other_captions": [], "categories": []}


def _generate_pairs(seed: str, numbers: dict[str, int], sources: str) -> Iterator[dict[str, object]]:
    for concept, number in numbers.items():
        for i in range(number):
            yield sample_pair(random.Random(f"{seed}/{concept}/{i}"), concept)


def _generate_twins(
    seed: str, numbers: dict[str, int], first_pair: int, first_image: int, sources: str
) -> Iterator[dict[str, object]]:
    for number, pair in enumerate(_generate_pairs(seed, numbers, sources)):
        captions = pair["coco_caption"], pair["inpaint_caption"]
        for i, image in enumerate((pair["coco_image"], pair["inpaint_image"])):
            yield {
                "image": image,
                "image_id": first_image + 2 * number + i,
                "caption": captions[i],
                "other_captions": [captions[1 - i]],  # so that no text negative is true of the twin
                "categories": [],
                "pair_id": first_pair + number,
            }


def scene_rows(seed: str, size: int, rates: dict[str, float] | None = None) -> Dataset:
    """Render captioned scenes: RGB images of 48 x 48 pixels, each with one caption.

    Args:
        seed: Another seed gives other scenes.
        size: Number of scenes.
        rates: Shares of captions that mention color, size and location, each 0 to 1; None takes `MENTION_RATES`.

    Returns:
        A dataset with the columns `columns.ROW_FEATURES`; there are no other captions and no categories. `datasets`
        caches it on disk.

    Examples:
        >>> rows = scene_rows("demo", 2)
        >>> rows["caption"][0], rows[0]["image"].size
        ('a scale on the right and a box', (48, 48))
    """
    kwargs = {"seed": seed, "size": size, "rates": rates or MENTION_RATES, "sources": source_digest(*SOURCES)}
    return cast(Dataset, Dataset.from_generator(_generate_rows, features=ROW_FEATURES, gen_kwargs=kwargs))


def scene_pairs(seed: str, per_concept: int) -> Dataset:
    """Render exact inpainted pairs: two RGB images of 48 x 48 pixels and their captions, which differ in one concept.

    Args:
        seed: Another seed gives other pairs.
        per_concept: Number of pairs of each of the four concepts.

    Returns:
        A dataset with the columns `columns.PAIR_FEATURES`; see `sample_pair`. `datasets` caches it on disk.

    Examples:
        >>> pairs = scene_pairs("demo", 1)
        >>> pairs["concept"][:]
        ['object', 'color', 'size', 'location']
    """
    numbers = dict.fromkeys(CONCEPTS, per_concept)
    kwargs = {"seed": seed, "numbers": numbers, "sources": source_digest(*SOURCES)}
    return cast(Dataset, Dataset.from_generator(_generate_pairs, features=PAIR_FEATURES, gen_kwargs=kwargs))


def scene_twins(seed: str, numbers: dict[str, int], first_pair: int = 0, first_image: int = 0) -> Dataset:
    """Render exact twins to train on: two rows for each pair of `scene_pairs`.

    Args:
        seed: Another seed gives other pairs.
        numbers: For each concept the number of its pairs, 0 or more.
        first_pair: The `pair_id` of the first pair; the others follow.
        first_image: The `image_id` of the first image; the others follow.

    Returns:
        A dataset with the columns `columns.TWIN_ROW_FEATURES`. The caption of the twin is among the other captions.

    Raises:
        ValueError: If a concept is none of the four.

    Examples:
        >>> rows = scene_twins("demo", {"color": 1, "size": 2})
        >>> rows["pair_id"][:], rows[0]["other_captions"] == [rows[1]["caption"]]
        ([0, 0, 1, 1, 2, 2], True)
    """
    kwargs = {"seed": seed, "numbers": numbers, "first_pair": first_pair, "first_image": first_image}
    kwargs["sources"] = source_digest(*SOURCES)
    return cast(Dataset, Dataset.from_generator(_generate_twins, features=TWIN_ROW_FEATURES, gen_kwargs=kwargs))
