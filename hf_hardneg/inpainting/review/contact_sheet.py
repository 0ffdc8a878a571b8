"""A sheet of pairs for the eye: photo and edit side by side, the changed words marked."""

import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib
from PIL import Image, ImageDraw, ImageFont

from ...lexicon.words import split_words, word_spans
from ..journal import load_image, read_journal
from ..journal_items import Item, read_items


WIDTH, HEIGHT, MARGIN, COLUMNS = 320, 240, 8, 3
TEXT_LINES = 3


def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), size)


def _wrap(text: str, width: int, font: ImageFont.FreeTypeFont) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) > width and lines[-1]:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def mark(caption: str, start: int, end: int) -> str:
    """The caption with its changed words in brackets.

    Examples:
        >>> mark("A red car", 2, 5)
        'A [red] car'
    """
    return f"{caption[:start]}[{caption[start:end]}]{caption[end:]}"


def mark_change(old: str, new: str) -> tuple[str, str]:
    """Both captions with the words in brackets that stand between what they have in common at both ends.

    Examples:
        >>> mark_change("A red car.", "An old car.")
        ('[A red] car.', '[An old] car.')
    """
    spans, words = (word_spans(old), word_spans(new)), (split_words(old), split_words(new))
    first = next((i for i, pair in enumerate(zip(*words, strict=False)) if pair[0] != pair[1]), min(map(len, words)))
    most = min(map(len, words)) - first
    tails = enumerate(zip(reversed(words[0]), reversed(words[1]), strict=False))
    last = min(most, next((i for i, pair in tails if pair[0] != pair[1]), most))
    marked = []
    for text, places in zip((old, new), spans, strict=True):
        changed = places[first : len(places) - last]
        start = changed[0][0] if changed else places[first - 1][1] if first else 0
        marked.append(mark(text, start, changed[-1][1] if changed else start))
    return marked[0], marked[1]


class Cell(NamedTuple):
    """One pair on a sheet: its key, the digests of photo and edit, and both captions with the change marked."""

    key: str
    photo: str
    image: str
    caption: str
    new_caption: str


def draw_cell(cell: Cell, folder: str | Path, number: int) -> Image.Image:
    """Number and key, photo and edit side by side, and their captions."""
    font = _font(12)
    drawn = Image.new("RGB", (2 * WIDTH + MARGIN, HEIGHT + 16 * TEXT_LINES + 20), "white")
    draw = ImageDraw.Draw(drawn)
    draw.text((0, 2), f"{number}  {cell.key}", fill="black", font=font)
    for i, (digest, caption) in enumerate(((cell.photo, cell.caption), (cell.image, cell.new_caption))):
        picture = Image.fromarray(load_image(folder, digest))
        picture.thumbnail((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
        drawn.paste(picture, (i * (WIDTH + MARGIN), 18))
        for row, text in enumerate(_wrap(caption, WIDTH, font)[:TEXT_LINES]):
            draw.text((i * (WIDTH + MARGIN), 20 + HEIGHT + 15 * row), text, fill="black", font=font)
    return drawn


def save_sheet(cells: Sequence[Cell], folder: str | Path, file: str | Path) -> None:
    """Draw cells, one or more, whose images are in the journal's `folder`, as one PNG."""
    pictures = [draw_cell(cell, folder, i) for i, cell in enumerate(cells, 1)]
    width, height = pictures[0].size
    rows = -(-len(pictures) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * (width + 2 * MARGIN), rows * (height + MARGIN)), "white")
    for i, picture in enumerate(pictures):
        sheet.paste(picture, (i % COLUMNS * (width + 2 * MARGIN), i // COLUMNS * (height + MARGIN)))
    sheet.save(file)


def draw_items(seed: int, number: int, items: Iterable[Item]) -> list[Item]:
    """Up to `number` of the items that passed the gates, at random; the seed decides which."""
    accepted = [item for item in items if item.is_accepted]
    return random.Random(seed).sample(accepted, min(number, len(accepted)))


def write_contact_sheet(folder: str | Path, file: str | Path, *, number: int = 40, seed: int = 0) -> int:
    """Draw pairs at random from a set and write them as one PNG.

    Args:
        folder: The journal's folder.
        file: The .png to write.
        number: How many pairs, at most.
        seed: Decides which.

    Returns:
        How many there are on it; with none, no file is written.
    """
    drawn = draw_items(seed, number, read_items(read_journal(folder)).values())
    if not drawn:
        return 0
    save_sheet([_as_cell(item) for item in drawn], folder, file)
    return len(drawn)


def _as_cell(item: Item) -> Cell:
    made = next(one for one in item.made if one.reason is None)
    pair = made.proposal
    return Cell(pair.key, item.photo, made.image, *mark_change(pair.caption, pair.new_caption))
