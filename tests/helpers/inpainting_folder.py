"""A small COCO-format folder with masks that the tests of inpainting make themselves."""

import json
import math

import numpy as np
from PIL import Image, ImageDraw

from hf_hardneg.inpainting.journal import read_journal
from hf_hardneg.inpainting.journal_items import read_items


WIDTH, HEIGHT = 320, 240
CATEGORIES = {1: "person", 3: "car", 6: "bus", 47: "cup", 86: "vase", 999: "gizmo"}
RED, GREEN, BLUE, YELLOW = (200, 30, 35), (30, 140, 50), (35, 60, 190), (225, 200, 40)


def ground(seed):
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 6, (HEIGHT, WIDTH, 1))
    return Image.fromarray((np.array((150, 155, 140)) + noise).clip(0, 255).astype(np.uint8))


def oval(left, top, right, bottom, corners=24):
    middle = ((left + right) / 2, (top + bottom) / 2)
    angles = [2 * math.pi * i / corners for i in range(corners)]
    return [
        value
        for a in angles
        for value in (middle[0] + (right - left) / 2 * math.cos(a), middle[1] + (bottom - top) / 2 * math.sin(a))
    ]


def add_thing(draw, polygon, color):
    """A shaded thing: its left half is darker."""
    points = list(zip(polygon[::2], polygon[1::2], strict=True))
    draw.polygon(points, fill=color)
    middle = sum(x for x, _ in points) / len(points)
    draw.polygon([(min(x, middle), y) for x, y in points], fill=tuple(int(c * 0.75) for c in color))


def annotation(number, image_id, category, polygon):
    xs, ys = polygon[::2], polygon[1::2]
    box = [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]
    area = abs(sum(xs[i - 1] * ys[i] - xs[i] * ys[i - 1] for i in range(len(xs)))) / 2
    return {
        "id": number,
        "image_id": image_id,
        "category_id": next(key for key, name in CATEGORIES.items() if name == category),
        "segmentation": [polygon],
        "bbox": box,
        "area": area,
        "iscrowd": 0,
    }


# (captions, things as (category, color, box)) of each photo.
PHOTOS = [
    (["A red bus on a road.", "A small bus is parked."], [("bus", RED, (110, 90, 200, 150))]),
    (["A large car on a road.", "A man and a blue car."], [("car", BLUE, (90, 100, 190, 160))]),
    (["A cup on a table.", "There is a green cup."], [("cup", GREEN, (120, 80, 190, 160))]),
    (["A vase on a table."], [("vase", YELLOW, (130, 70, 190, 160))]),
    (["A gizmo in a room."], [("gizmo", RED, (120, 80, 190, 160))]),
    (
        ["Two red cars.", "Nothing is said here."],
        [("car", RED, (40, 90, 110, 140)), ("car", RED, (200, 90, 270, 140))],
    ),
]


def make_folder(folder, photos=PHOTOS):
    """Write the photos and both annotation files; ids are 1, 2, ... for photos, captions and instances."""
    (folder / "annotations").mkdir(parents=True)
    (folder / "val2017").mkdir()
    images, captions, instances = [], [], []
    for image_id, (texts, things) in enumerate(photos, 1):
        image = ground(image_id)
        for category, color, box in things:
            polygon = oval(*box)
            add_thing(ImageDraw.Draw(image), polygon, color)
            instances.append(annotation(len(instances) + 1, image_id, category, polygon))
        name = f"{image_id:012}.png"
        image.save(folder / "val2017" / name)
        images.append({"id": image_id, "file_name": name, "width": WIDTH, "height": HEIGHT})
        for text in texts:
            captions.append({"id": len(captions) + 1, "image_id": image_id, "caption": text})
    categories = [{"id": key, "name": name} for key, name in CATEGORIES.items()]
    write(folder, "captions", {"images": images, "annotations": captions})
    write(folder, "instances", {"images": images, "annotations": instances, "categories": categories})
    return folder


def write(folder, kind, data):
    (folder / "annotations" / f"{kind}_val2017.json").write_text(json.dumps(data))


def change(folder, kind, edit):
    """Apply `edit(data)` to an annotation file."""
    file = folder / "annotations" / f"{kind}_val2017.json"
    data = json.loads(file.read_text())
    edit(data)
    file.write_text(json.dumps(data))


def accepted_pairs(folder):
    """(item, its first candidate that passed) of a journal's folder."""
    items = read_items(read_journal(folder)).values()
    return [(item, next(one for one in item.candidates if one.reason is None)) for item in items if item.is_accepted]


def disk(width=120, height=100, box=(40, 30, 80, 70)):
    """(H, W) of bool with an oval in it."""
    image = Image.new("1", (width, height))
    ImageDraw.Draw(image).ellipse(box, fill=1)
    return np.array(image)
