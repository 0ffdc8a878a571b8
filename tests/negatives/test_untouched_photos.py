"""Negatives and positives are made from captions: no photo is decoded, and embedded photos keep their bytes."""

import json
from io import BytesIO

import datasets
import numpy as np
import pytest
from datasets import Dataset, Features, Image, Value
from helpers.captions import scene_captions
from PIL import Image as PillowImage

from hf_hardneg import AddHardNegatives, AddHardPositives, fit_slot_model
from hf_hardneg.cli import main
from hf_hardneg.columns import IMAGE, with_negatives, with_positives
from hf_hardneg.data.captions import read_captions
from hf_hardneg.data.negatives_files import read_caption_negatives


CAPTIONS = scene_captions(40, "photos")


def jpeg(seed):
    content = BytesIO()
    noise = np.random.default_rng(seed).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    PillowImage.fromarray(noise).save(content, format="JPEG", quality=97)
    return {"bytes": content.getvalue(), "path": None}


@pytest.fixture
def photos(tmp_path):
    """A Parquet file with embedded photos."""
    features = Features(
        {IMAGE: Image(), "image_id": Value("int64"), "caption": Value("string"), "negatives": Value("string")}
    )
    columns = {IMAGE: [jpeg(i) for i in range(40)], "image_id": list(range(40)), "caption": CAPTIONS}
    rows = Dataset.from_dict({**columns, "negatives": [f"no {text}" for text in CAPTIONS]}, features=features)
    rows.to_parquet(tmp_path / "photos.parquet")
    return tmp_path / "photos.parquet"


@pytest.fixture(autouse=True)
def no_decoding(photos, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a photo was decoded")

    monkeypatch.setattr(datasets.Image, "decode_example", refuse)
    monkeypatch.setattr(datasets.Image, "encode_example", refuse)


def content(rows):
    return [image["bytes"] for image in rows.cast_column(IMAGE, Image(decode=False))[IMAGE]]


def test_maps_of_rows_with_photos_keep_their_bytes(photos):
    rows = Dataset.from_parquet(str(photos)).remove_columns("negatives")
    add = AddHardNegatives(model=fit_slot_model(rows))
    made = rows.map(add, batched=True, features=with_negatives(rows.features))
    more = made.map(AddHardPositives(), batched=True, features=with_positives(made.features))
    assert sum(map(len, made["negatives"])) > 20 and "positives" in more.column_names
    assert content(rows) == content(more) == [jpeg(i)["bytes"] for i in range(40)]


def test_captions_and_negatives_are_read_without_their_photos(photos, tmp_path):
    assert sorted(read_captions(str(photos))[0]["caption"]) == sorted(CAPTIONS)
    assert read_caption_negatives(photos)[0] == CAPTIONS
    main(["negatives", str(photos), "--out", str(tmp_path / "made"), "--no_audit"])
    main(["audit", str(photos), "--json", str(tmp_path / "audit.json")])
    assert json.loads((tmp_path / "audit.json").read_text())["photos"]["pairs"] == 40


def test_other_captions_and_categories_may_be_missing():
    batch = {"caption": CAPTIONS, "image_id": list(range(40))}
    empty = {**batch, "other_captions": [[]] * 40, "categories": [None] * 40}
    add = AddHardNegatives(model=fit_slot_model([batch]))
    assert add(batch) == add(empty)
