"""Folders in COCO's layout: those that tests write, and changes of the one that the fixture `coco` makes."""

import json


def write_json(file, data):
    file.write_text(json.dumps(data))


def write_split(folder, split, captions, save):
    """Write a split. `captions` has the texts of each image id; `save(image_id, file)` writes a photo."""
    (folder / "annotations").mkdir(parents=True, exist_ok=True)
    (folder / split).mkdir()
    images, annotations = [], []
    for image_id, texts in captions.items():
        save(image_id, folder / split / f"{image_id}.jpg")
        images.append({"id": image_id, "file_name": f"{image_id}.jpg"})
        annotations += [{"id": 10 * image_id + i, "image_id": image_id, "caption": t} for i, t in enumerate(texts)]
    write_json(folder / "annotations" / f"captions_{split}.json", {"images": images, "annotations": annotations})


def edit_captions(folder, change):
    """Apply `change(data)` to the captions file of a COCO folder."""
    file = folder / "annotations" / "captions_val2017.json"
    data = json.loads(file.read_text())
    change(data)
    write_json(file, data)
