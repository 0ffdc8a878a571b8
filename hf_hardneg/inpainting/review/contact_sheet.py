"""Draw a contact sheet of pairs: photo and edit side by side, with the changed words in brackets."""

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


def bracket(caption: str, start: int, end: int) -> str:
    """Return the caption with the characters `start:end` in brackets.

    Example:
        >>> bracket("A red car", 2, 5)
        'A [red] car'
    """
    return f"{caption[:start]}[{caption[start:end]}]{caption[end:]}"


def mark_change(old: str, new: str) -> tuple[str, str]:
    """Return both captions with the words in brackets in which they differ.

    The words between the common start and the common end count as different.

    Example:
        >>> mark_change("A red car.", "An old car.")
        ('[A red] car.', '[An old] car.')
    """
    spans, words = (word_spans(old), word_spans(new)), (split_words(old), split_words(new))
    first = next((i for i, pair in enumerate(zip(*words, strict=False)) if pair[0] != pair[1]), min(map(len, words)))
    max_common = min(map(len, words)) - first
    tails = enumerate(zip(reversed(words[0]), reversed(words[1]), strict=False))
    last = min(max_common, next((i for i, pair in tails if pair[0] != pair[1]), max_common))
    marked = []
    for text, text_spans in zip((old, new), spans, strict=True):
        changed = text_spans[first : len(text_spans) - last]
        start = changed[0][0] if changed else text_spans[first - 1][1] if first else 0
        marked.append(bracket(text, start, changed[-1][1] if changed else start))
    return marked[0], marked[1]


class Cell(NamedTuple):
    """One pair on a sheet.

    Attributes:
        key: The item's key.
        photo: SHA-256 digest of the photo.
        image: SHA-256 digest of the edited photo.
        caption: With the old words in brackets.
        new_caption: With the new words in brackets.
    """

    key: str
    photo: str
    image: str
    caption: str
    new_caption: str


def draw_cell(cell: Cell, folder: str | Path, number: int) -> Image.Image:
    """Draw one cell: number and key, photo and edit side by side, and their captions.

    Args:
        cell: The pair.
        folder: The journal's folder, which holds the images.
        number: Shown before the key.
    """
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
    """Draw cells and save them as one PNG.

    Args:
        cells: At least one.
        folder: The journal's folder, which holds the images.
        file: The .png to write.
    """
    pictures = [draw_cell(cell, folder, i) for i, cell in enumerate(cells, 1)]
    width, height = pictures[0].size
    rows = -(-len(pictures) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * (width + 2 * MARGIN), rows * (height + MARGIN)), "white")
    for i, picture in enumerate(pictures):
        sheet.paste(picture, (i % COLUMNS * (width + 2 * MARGIN), i // COLUMNS * (height + MARGIN)))
    sheet.save(file)


def sample_items(seed: int, number: int, items: Iterable[Item]) -> list[Item]:
    """Draw up to `number` items at random from those that passed the gates. The seed decides which."""
    accepted = [item for item in items if item.is_accepted]
    return random.Random(seed).sample(accepted, min(number, len(accepted)))


def write_contact_sheet(folder: str | Path, file: str | Path, *, number: int = 40, seed: int = 0) -> int:
    """Draw pairs at random from a build and write them as one PNG.

    Args:
        folder: The journal's folder.
        file: The .png to write.
        number: The largest number of pairs.
        seed: Decides which pairs are drawn.

    Returns:
        The number of pairs on the sheet. If it is 0, no file is written.

    Example:
        >>> write_contact_sheet("pairs", "sheet.png", number=12)  # doctest: +SKIP
        12
    """
    drawn = sample_items(seed, number, read_items(read_journal(folder)).values())
    if not drawn:
        return 0
    save_sheet([_as_cell(item) for item in drawn], folder, file)
    return len(drawn)


def _as_cell(item: Item) -> Cell:
    candidate = next(one for one in item.candidates if one.reason is None)
    proposal = candidate.proposal
    return Cell(proposal.key, item.photo, candidate.image, *mark_change(proposal.caption, proposal.new_caption))
