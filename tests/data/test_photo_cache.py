"""Each photo is kept once, and what was found out about it is kept from run to run."""

import json
import os
import subprocess
import sys
from io import BytesIO

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.photos import encoded, photo, write_photos
from helpers.quick_python import quick_python
from PIL import Image

from hf_hardneg.data import skip_reasons
from hf_hardneg.data.captioned_images import load_captioned_images
from hf_hardneg.data.coco import load_coco
from hf_hardneg.data.photo_files import PHOTOS_PER_PROCESS


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of its own, and a function that gives the bytes in it."""
    folder = tmp_path / "cache"
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", folder)
    return lambda: sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


@pytest.fixture
def opened(monkeypatch):
    """The photos that Pillow has opened in this process."""
    found, opens = [], Image.open
    monkeypatch.setattr(Image, "open", lambda source, *rest: found.append(source) or opens(source, *rest))
    return found


def big(number):
    """A photo of 60 kB, beside which the captions take no room."""
    buffer = BytesIO()
    photo(number, (160, 128)).save(buffer, "PNG", compress_level=0)
    return buffer.getvalue()


def parquet(folder, number=6, captions=5):
    """Embedded photos in lossless PNG, with all captions of a photo in one row."""
    folder.mkdir()
    table = {"image": [big(i) for i in range(number)]}
    table["captions"] = [
        [f"a {('red', 'blue', 'green')[i % 3]} dog {i} {k}" for k in range(captions)] for i in range(number)
    ]
    pq.write_table(pa.table(table), folder / "train.parquet")
    return folder


def test_the_cache_holds_each_embedded_photo_once_beside_the_copy_of_datasets(tmp_path, cache):
    """Five captions a photo and two more steps of `map` used to make it eleven copies."""
    folder = parquet(tmp_path / "p")
    photos = sum(len(big(i)) for i in range(6))
    rows, _ = load_captioned_images(str(folder), "train")
    rows = rows.map(lambda batch: {"length": [len(text) for text in batch["caption"]]}, batched=True)
    assert len(rows) == 30
    assert 2 * photos < cache() < 2.2 * photos


def test_embedded_photos_keep_their_bytes(tmp_path, cache):
    rows, _ = load_captioned_images(str(parquet(tmp_path / "p")), "train")
    paths = [image["path"] for image in rows.cast_column("image", datasets.Image(decode=False))["image"]]
    contents = [open(path, "rb").read() for path in paths]
    assert contents == [big(i // 5) for i in range(30)]


def test_a_photo_that_comes_in_many_rows_is_opened_once(tmp_path, cache, opened):
    write_photos(tmp_path, ["a.jpg", "b.jpg"])
    lines = [json.dumps({"image": "ab"[i % 2] + ".jpg", "caption": f"caption {i}"}) for i in range(10)]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    load_captioned_images(str(tmp_path / "rows.jsonl"), "train")
    assert len(opened) == 2


def test_photos_that_were_removed_from_the_cache_come_back(tmp_path, cache):
    folder = parquet(tmp_path / "p")
    rows, _ = load_captioned_images(str(folder), "train")
    for file in (tmp_path / "cache" / "hf_hardneg" / "photos").rglob("*"):
        if file.is_file():
            file.unlink()
    again, skipped = load_captioned_images(str(folder), "train")
    assert (
        not skipped
        and again[0]["image"].tobytes()
        == Image.open(rows.cast_column("image", datasets.Image(decode=False))[0]["image"]["path"]).tobytes()
    )


def test_a_photo_that_has_changed_is_looked_at_again(coco, cache):
    file = coco / "val2017" / "000000000101.jpg"
    assert not load_coco(coco)[1]
    file.write_bytes(b"<html>404</html>")
    assert load_coco(coco)[1] == {skip_reasons.UNREADABLE: 1}


def test_several_processes_find_the_same(tmp_path, monkeypatch):
    number = 2 * PHOTOS_PER_PROCESS
    content = [encoded(i % 7) for i in range(number)]
    table = {"image": content, "caption": [f"caption {i}" for i in range(number)]}
    pq.write_table(pa.table(table), tmp_path / "a.parquet")
    found = []
    for processes in (1, 2):
        monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / f"cache{processes}")
        rows, _ = load_captioned_images(str(tmp_path / "a.parquet"), "train", num_proc=processes)
        found.append((rows["image_id"][:], rows["caption"][:]))
    assert found[0] == found[1] and len(set(found[0][0])) == 7


RUN = """
import functools, sys
import PIL.Image
from datasets import Dataset
from hf_hardneg.training.arguments import Arguments, DataArguments, HardNegCLIPTrainingArguments
from hf_hardneg.training.model_arguments import ModelArguments
from hf_hardneg.training.prepare import prepare_data

work, opens, single = [], PIL.Image.open, Dataset._map_single
PIL.Image.open = lambda *args: work.append("open") or opens(*args)

@functools.wraps(single)
def map_single(*args, **options):
    work.append(options["desc"] if "desc" in options else "map")
    yield from single(*args, **options)

Dataset._map_single = staticmethod(map_single)
dataset = DataArguments(dataset=sys.argv[1], num_proc=int(sys.argv[2]), allow_challenge_images=True)
training = HardNegCLIPTrainingArguments(output_dir="out", report_to="none", use_cpu=True)

def tokenizer(texts, **options):
    return {"input_ids": [text.split() for text in texts]}

data = prepare_data(Arguments(ModelArguments(), dataset, training), tokenizer, 77)
print(len(work), len(data.rows), sum(map(len, data.rows["negatives"])))
"""


@pytest.mark.parametrize("kind", ["coco", "parquet"])
def test_a_second_process_opens_no_photo_and_makes_no_negative(coco, tmp_path, kind):
    """Of a COCO folder nothing was kept from run to run."""
    source = coco
    if kind == "parquet":
        source = parquet(tmp_path / "p")
    results = []
    for seed, processes in (("1", 1), ("2", 2)):
        environment = {
            **os.environ,
            "HF_DATASETS_CACHE": str(tmp_path / "cache"),
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        }
        command = [quick_python(hash_seed=seed), "-c", RUN, str(source), str(processes)]
        output = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert output.returncode == 0, output.stderr
        results.append([int(number) for number in output.stdout.split()[-3:]])
    (work, *found), *again = results
    assert work and again == [[0, *found]]
