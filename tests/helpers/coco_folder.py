"""A COCO folder is made by the fixture `coco`; these functions change it."""

import json


def write_json(file, data):
    file.write_text(json.dumps(data))


def edit_captions(folder, change):
    """Apply `change(data)` to the captions file of a COCO folder."""
    file = folder / "annotations" / "captions_val2017.json"
    data = json.loads(file.read_text())
    change(data)
    write_json(file, data)
