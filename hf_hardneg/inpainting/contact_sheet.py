"""A sheet of pairs for the eye: photo and edit side by side, the changed words marked."""

import random
from collections.abc import Iterable
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .items import Item, read_items
from .journal import load_image, read_journal


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

    Example:
        >>> mark("A red car", 2, 5)
        'A [red] car'
    """
    return f"{caption[:start]}[{caption[start:end]}]{caption[end:]}"


def draw_pair(item: Item, folder: str | Path, number: int) -> Image.Image:
    """One cell of the sheet: number and key, photo and first accepted candidate, and their captions."""
    font = _font(12)
    cell = Image.new("RGB", (2 * WIDTH + MARGIN, HEIGHT + 16 * TEXT_LINES + 20), "white")
    draw = ImageDraw.Draw(cell)
    made = next(one for one in item.made if one.reason is None)
    pair = made.proposal
    draw.text((0, 2), f"{number}  {pair.key}", fill="black", font=font)
    captions = (
        mark(pair.caption, pair.start, pair.end),
        mark(pair.new_caption, pair.start, pair.start + len(pair.new_text)),
    )
    for i, (digest, caption) in enumerate(zip((item.photo, made.image), captions, strict=True)):
        picture = Image.fromarray(load_image(folder, digest))
        picture.thumbnail((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
        cell.paste(picture, (i * (WIDTH + MARGIN), 18))
        for row, text in enumerate(_wrap(caption, WIDTH, font)[:TEXT_LINES]):
            draw.text((i * (WIDTH + MARGIN), 20 + HEIGHT + 15 * row), text, fill="black", font=font)
    return cell


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
    cells = [np.array(draw_pair(item, folder, i + 1)) for i, item in enumerate(drawn)]
    height, width = cells[0].shape[:2]
    rows = -(-len(cells) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * (width + 2 * MARGIN), rows * (height + MARGIN)), "white")
    for i, cell in enumerate(cells):
        place = (i % COLUMNS * (width + 2 * MARGIN), i // COLUMNS * (height + MARGIN))
        sheet.paste(Image.fromarray(cell), place)
    sheet.save(file)
    return len(drawn)
