"""Every form in which people keep photos and captions: each is read, or refused with a sentence that says why."""

import json
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Dataset, Features, Image, Value
from helpers.coco_folder import edit_captions, write_json
from helpers.photos import encoded, photo, write_photos

from hf_hardneg.columns import ROW_FEATURES
from hf_hardneg.data import skip_reasons
from hf_hardneg.data.captioned_images import load_captioned_images
from hf_hardneg.data.coco import load_coco
from hf_hardneg.data.coco_photos import read_coco_photos
from hf_hardneg.data.karpathy import load_karpathy
from hf_hardneg.data.leakage import IN_CHALLENGE_SET, IN_VAL2017, coco_id
from hf_hardneg.evaluation.benchmarks import load_benchmark
from hf_hardneg.negatives.add_negatives import AddHardNegatives
from hf_hardneg.training.arguments import DataArguments
from hf_hardneg.training.prepare import load_sources
from hf_hardneg.training.ready_negatives import find_given_negatives


NAMES = ("a.jpg", "b.jpg", "c.jpg")
CAPTIONS = ["a dog", "a cat", "a cow"]


def load(source, split="train", **options):
    return load_captioned_images(str(source), split, **options)[0]


def same_pixels(row, number):
    return row["image"].convert("RGB").tobytes() == photo_pixels(number)


def photo_pixels(number):
    from io import BytesIO

    from PIL import Image as PillowImage

    return PillowImage.open(BytesIO(encoded(number))).tobytes()


def check_three(rows):
    assert rows.features == ROW_FEATURES
    assert rows["caption"][:] == CAPTIONS and len(set(rows["image_id"])) == 3
    assert all(same_pixels(row, number) for number, row in enumerate(rows))


def write_table(folder, ending, columns):
    """The same table as CSV, TSV, JSON lines or Parquet."""
    file = folder / f"photos{ending}"
    if ending == ".parquet":
        pq.write_table(pa.table(columns), file)
    elif ending == ".jsonl":
        rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        file.write_text("\n".join(map(json.dumps, rows)))
    else:
        lines = [columns, *zip(*columns.values(), strict=True)]
        file.write_text("\n".join({".csv": ",", ".tsv": "\t"}[ending].join(line) for line in lines))
    return file


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("where", ["beside", "below", "absolute"])
def test_a_table_of_paths_is_a_data_set(tmp_path, ending, where):
    write_photos(tmp_path / ("img" if where == "below" else ""), NAMES)
    root = {"beside": "", "below": "img/", "absolute": f"{tmp_path}/"}[where]
    columns = {"filepath": [f"{root}{name}" for name in NAMES], "title": CAPTIONS}
    check_three(load(write_table(tmp_path, ending, columns)))


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        ("image", pa.struct({"bytes": pa.binary(), "path": pa.string()})),
        ("photo", pa.struct({"bytes": pa.binary()})),
        ("jpg", pa.binary()),
        ("img", pa.large_binary()),
        ("pixels", pa.struct({"bytes": pa.binary(), "path": pa.string()})),
    ],
)
def test_embedded_photos_need_no_metadata(tmp_path, column, kind):
    contents = [encoded(number) for number in range(3)]
    values = [{"bytes": one, "path": None} for one in contents] if pa.types.is_struct(kind) else contents
    table = {column: pa.array(values, kind), "mask_name": CAPTIONS, "text": CAPTIONS}
    pq.write_table(pa.table(table), tmp_path / "photos.parquet")
    check_three(load(tmp_path))
    check_three(load(tmp_path / "photos.parquet"))


def test_paths_in_structs_are_relative_to_the_table(tmp_path):
    write_photos(tmp_path, NAMES)
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    images = pa.array([{"bytes": None, "path": name} for name in NAMES], kind)
    pq.write_table(pa.table({"image": images, "caption": CAPTIONS}), tmp_path / "photos.parquet")
    check_three(load(tmp_path / "photos.parquet"))


@pytest.mark.parametrize("column", ["url", "image", "image_path"])
def test_urls_are_refused_with_what_to_do(tmp_path, column):
    urls = [f"https://example.com/{name}" for name in NAMES]
    file = write_table(tmp_path, ".csv", {column: urls, "caption": CAPTIONS})
    with pytest.raises(ValueError, match=rf"'{column}' of .*photos.csv holds 3 URLs.*download.*img2dataset"):
        load(file)


def test_no_photo_found_names_the_path_that_was_looked_for(tmp_path):
    file = write_table(tmp_path, ".csv", {"filepath": list(NAMES), "caption": CAPTIONS})
    with pytest.raises(ValueError, match=rf"3 images.*the image is missing.*Looked for {tmp_path}/a.jpg"):
        load(file)


def test_a_missing_folder_is_named_by_its_absolute_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=str(tmp_path / "no" / "such" / "folder")):
        load("no/such/folder")
    with pytest.raises(FileNotFoundError, match=str(tmp_path / "none.csv")):
        load("none.csv")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"a": CAPTIONS, "caption": CAPTIONS}, r"\['a', 'caption'\].*--image_column"),
        ({"image": list(NAMES), "b": CAPTIONS}, r"\['image', 'b'\].*--caption_column"),
    ],
)
def test_columns_that_cannot_be_found_are_listed(tmp_path, columns, message):
    with pytest.raises(ValueError, match=message):
        load(write_table(write_photos(tmp_path, NAMES), ".csv", columns))


def test_two_columns_of_images_ask_which(tmp_path):
    images = pa.array([encoded(number) for number in range(3)])
    pq.write_table(pa.table({"left": images, "right": images, "caption": CAPTIONS}), tmp_path / "a.parquet")
    with pytest.raises(ValueError, match="several columns.*'left', 'right'.*--image_column"):
        load(tmp_path)
    check_three(load(tmp_path, image_column="left"))


def test_a_slice_of_a_split(tmp_path):
    file = write_table(write_photos(tmp_path, NAMES), ".csv", {"image": list(NAMES), "caption": CAPTIONS})
    assert load(file, "train[:2]")["caption"][:] == CAPTIONS[:2]
    with pytest.raises(ValueError, match="val2017"):
        load(file, "val2017[:20]", challenge=set())


def test_the_config_of_a_data_set_is_chosen(tmp_path):
    for config, numbers in (("small", [0]), ("large", [0, 1, 2])):
        (tmp_path / config).mkdir()
        table = {"image": pa.array([encoded(i) for i in numbers]), "caption": [CAPTIONS[i] for i in numbers]}
        pq.write_table(pa.table(table), tmp_path / config / "train-0.parquet")
    configs = [
        {"config_name": name, "data_files": [{"split": "train", "path": f"{name}/*.parquet"}]}
        for name in ("small", "large")
    ]
    (tmp_path / "README.md").write_text(f"---\nconfigs: {json.dumps(configs)}\n---\n")
    check_three(load(tmp_path, config="large"))
    args = DataArguments(dataset=str(tmp_path), dataset_config="large", held_out_images=1, num_proc=1)
    assert len(load_sources(args).rows) == 2


def sentence(text, number):
    return {"raw": text, "tokens": text.split(), "sentid": number, "imgid": 0}


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([[sentence("a dog", 0), sentence("a pup", 1)], [sentence("a cat", 2)], []], ["a dog", "a pup", "a cat"]),
        ([["a dog", None], ["a cat"], [" "]], ["a dog", "a cat"]),
        ([[{"caption": "a dog"}], [{"caption": "a cat"}], [{"caption": "a cow"}]], CAPTIONS),
    ],
)
def test_captions_in_lists_and_objects(tmp_path, cells, expected):
    table = {"image": [encoded(number) for number in range(3)], "sentences": cells}
    pq.write_table(pa.table(table), tmp_path / "a.parquet")
    assert load(tmp_path)["caption"][:] == expected


@pytest.mark.parametrize("cells", [[[["a"]], [["b"]], [["c"]]], [1, 2, 3], [1.5, 2.0, 3.0], [{"x": 1}] * 3])
def test_cells_that_are_no_captions_are_named(tmp_path, cells):
    table = {"image": [encoded(number) for number in range(3)], "caption": cells}
    pq.write_table(pa.table(table), tmp_path / "a.parquet")
    with pytest.raises(ValueError, match="'caption' of .*row 0"):
        load(tmp_path)


# --- COCO and Karpathy ---


@pytest.mark.parametrize("place", ["val2017", "images/val2017", "images", "."])
@pytest.mark.parametrize("prefix", ["", "val2017/"])
def test_coco_photos_are_found_where_archives_put_them(coco, place, prefix):
    photos = coco / "val2017"
    target = coco / place / prefix
    if target.resolve() != photos.resolve():
        target.mkdir(parents=True, exist_ok=True)
        for file in list(photos.iterdir()):
            if file.is_file():
                file.rename(target / file.name)

    def rename(content):
        for image in content["images"]:
            image["file_name"] = prefix + image["file_name"]

    edit_captions(coco, rename)
    rows, skipped = load_coco(coco)
    assert len(rows) == 60 and not skipped
    assert all(one.file.is_file() for one in read_coco_photos(coco, with_instances=False)[0])


@pytest.mark.parametrize(
    ("listed", "annotated", "ids"),
    [
        (str, str, list(range(100, 112))),
        (str, int, list(range(100, 112))),
        (float, int, list(range(100, 112))),
        ("img_{}".format, "img_{}".format, list(range(12))),
    ],
)
def test_coco_ids_may_be_strings_and_floats(coco, listed, annotated, ids):
    def change(content):
        for image in content["images"]:
            image["id"] = listed(image["id"])
        for annotation in content["annotations"]:
            annotation["image_id"] = annotated(annotation["image_id"])

    edit_captions(coco, change)
    rows, skipped = load_coco(coco)
    assert len(rows) == 60 and not skipped and rows.unique("image_id") == ids


def test_coco_photos_without_annotations_are_no_fault(coco):
    def change(content):
        content["annotations"] = [one for one in content["annotations"] if one["image_id"] > 103]

    edit_captions(coco, change)
    rows, skipped = load_coco(coco)
    assert len(rows) == 40 and not skipped


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content["images"][3].pop("file_name"), "captions_val2017.json.*file_name"),
        (lambda content: content["images"][3].update(file_name=7), "captions_val2017.json.*file_name"),
        (lambda content: content["annotations"][3].pop("image_id"), "captions_val2017.json.*image_id"),
        (lambda content: content["images"][3].pop("id"), "captions_val2017.json.*id"),
    ],
)
def test_a_coco_file_without_a_field_is_named_with_it(coco, change, message):
    edit_captions(coco, change)
    with pytest.raises(ValueError, match=message):
        load_coco(coco)


def test_instances_without_categories_are_named(coco):
    write_json(coco / "annotations" / "instances_val2017.json", {"annotations": [{"image_id": 100, "category_id": 3}]})
    with pytest.raises(ValueError, match="instances_val2017.json.*categories"):
        load_coco(coco)


@pytest.fixture
def karpathy(tmp_path):
    """dataset_flickr8k.json with a photo in each of the splits, and one in COCO's restval."""
    write_photos(tmp_path / "Flicker8k_Dataset", ["0.jpg", "1.jpg", "2.jpg", "3.jpg"])
    images = [
        {"filename": f"{i}.jpg", "imgid": i, "split": split, "sentences": [sentence(f"a dog {i}", i)] * 2}
        for i, split in enumerate(["train", "val", "test", "restval"])
    ]
    write_json(tmp_path / "dataset_flickr8k.json", {"images": images, "dataset": "flickr8k"})
    return tmp_path


@pytest.mark.parametrize("name", ["", "dataset_flickr8k.json"])
def test_karpathys_splits_are_trained_on_with_restval(karpathy, name):
    args = DataArguments(dataset=str(karpathy / name), held_out_images=1, num_proc=1)
    data = load_sources(args)
    ids = sorted({*data.rows["image_id"], *data.held_out["image_id"]})
    assert ids == [0, 3] and len(data.rows) == 2
    assert data.rows["other_captions"][0] == [data.rows["caption"][0]]
    with pytest.raises(ValueError, match=r"splits \['restval', 'test', 'train', 'val'\], not 'dev'"):
        load_sources(DataArguments(dataset=str(karpathy / name), dataset_split="dev", num_proc=1))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda image: image.pop("filename"), "lacks 'filename' in images"),
        (lambda image: image.update(sentences=None), "sentences"),
        (lambda image: image.update(sentences=[{"tokens": ["a"]}]), "and no caption in one of raw"),
        (lambda image: image.update(split=3), "split"),
        (lambda image: image.update(split="dev"), r"has the splits \['dev'"),
    ],
)
def test_training_and_evaluation_say_the_same_of_a_broken_split_file(karpathy, spoil, message):
    file = karpathy / "dataset_flickr8k.json"
    data = json.loads(file.read_text())
    data["images"] = [{**image, "split": "test"} for image in data["images"]]
    for image in data["images"]:
        spoil(image)
    file = file.rename(file.with_name("dataset_flickr30k.json"))
    write_json(file, data)
    with pytest.raises(ValueError, match=message) as of_training:
        load_karpathy(file, "test", 1)
    with pytest.raises(ValueError, match=message) as of_evaluation:
        load_benchmark(f"flickr30k={karpathy}")
    assert str(of_training.value) in str(of_evaluation.value)


def test_a_split_file_has_no_column_of_negatives_and_a_table_in_json_may_have_one(karpathy):
    arguments = {"dataset_split": "val", "num_proc": 1}
    assert find_given_negatives(DataArguments(dataset=str(karpathy), **arguments)) is None
    write_json(karpathy / "table.json", [{"image": "0.jpg", "caption": "a dog", "negatives": ["a cat"]}])
    found = find_given_negatives(DataArguments(dataset=str(karpathy / "table.json")))
    assert found.of_caption == {(None, "a dog"): [("a cat", "unknown")]}


def test_karpathys_coco_has_ids_and_folders_of_coco(karpathy):
    file = karpathy / "dataset_flickr8k.json"
    data = json.loads(file.read_text())
    for image in data["images"]:
        image |= {"filepath": "val2014", "split": "train", "cocoid": 900 + image["imgid"]}
    file.unlink()
    (karpathy / "Flicker8k_Dataset").rename(karpathy / "val2014")
    write_json(karpathy / "dataset_coco.json", data)
    rows = load_sources(DataArguments(dataset=str(karpathy), held_out_images=1, num_proc=1))
    assert sorted({*rows.rows["image_id"], *rows.held_out["image_id"]}) == [900, 901, 902, 903]


# --- photos of challenge sets ---


@pytest.mark.parametrize(
    ("value", "expected"),
    [(139.0, 139), (float("nan"), None), ("139.0", 139), (" 139 ", 139), (None, None), ("", None), (-1.5, None)],
)
def test_ids_of_every_kind_name_a_coco_photo(value, expected):
    assert coco_id(value) == expected


@pytest.mark.parametrize(
    ("column", "values", "reason"),
    [
        ("image_id", [7.0, float("nan"), None], IN_CHALLENGE_SET),
        ("cocoid", ["7", "8", None], IN_CHALLENGE_SET),
    ],
)
def test_float_and_string_ids_are_refused_as_challenge_photos(tmp_path, column, values, reason):
    table = {"image": [encoded(number) for number in range(3)], "caption": CAPTIONS, column: values}
    pq.write_table(pa.table(table), tmp_path / "a.parquet")
    rows, skipped = load_captioned_images(str(tmp_path), "train", challenge={7})
    assert rows["caption"][:] == CAPTIONS[1:] and skipped == {reason: 1}


def test_cocos_file_names_say_which_photo_it_is(tmp_path):
    names = ["train2017/000000000007.jpg", "COCO_val2014_000000000008.jpg", "val2017/000000000009.jpg", "img_7.jpg"]
    write_photos(tmp_path, names)
    file = write_table(tmp_path, ".csv", {"filepath": names, "caption": ["a", "b", "c", "d"]})
    rows, skipped = load_captioned_images(str(file), "train", challenge={7, 8})
    assert rows["caption"][:] == ["d"] and skipped == {IN_CHALLENGE_SET: 2, IN_VAL2017: 1}


# --- one photo in several rows ---


def three_photos_twice(tmp_path, **columns):
    """Six rows: photos 0, 0, 1, 1, 2, 2, embedded."""
    features = Features({"image": Image(), "caption": Value("string")})
    images = [{"bytes": encoded(i // 2, "PNG"), "path": None} for i in range(6)]
    rows = Dataset.from_dict({"image": images, "caption": [f"caption {i}" for i in range(6)]}, features=features)
    for name, values in columns.items():
        rows = rows.add_column(name, values)
    rows.to_parquet(tmp_path / "a.parquet")
    return tmp_path


def groups(rows):
    """The captions of each image id."""
    found = {}
    for image_id, caption in zip(rows["image_id"], rows["caption"], strict=True):
        found.setdefault(image_id, []).append(int(caption.split()[1]))
    return sorted(found.values())


IN_PAIRS = [[0, 1], [2, 3], [4, 5]]


@pytest.mark.parametrize(
    "columns",
    [
        {},
        {"image_id": [5, 5, 6, 6, 7, 7]},
        {"imgid": [5.0, 5.0, 6.0, 6.0, 7.0, 7.0]},
        {"cocoid": ["a", "a", "b", "b", "c", "c"]},
        {"ImageId": ["1", "1", "2", "2", "3", "3"]},
        {"filename": ["x.jpg", "x.jpg", "y.jpg", "y.jpg", "z.jpg", "z.jpg"]},
        {"filename": ["image.jpg"] * 6},
        {"filepath": ["d/x", "d/x", "d/y", "d/y", "d/z", "d/z"]},
        {"id": [0, 1, 2, 3, 4, 5]},
        {"image_id": [None, None, None, None, 9, None]},
        {"image_id": [5.0, float("nan"), 6.0, float("nan"), 7.0, None]},
        {"file_name": ["1", "2", "3", "4", "5", "6"]},
    ],
)
def test_rows_of_one_photo_are_told_by_ids_names_or_bytes(tmp_path, columns):
    rows = load(three_photos_twice(tmp_path, **columns))
    assert groups(rows) == IN_PAIRS
    assert all(len(others) == 1 for others in rows["other_captions"])


def test_null_ids_are_not_one_photo(tmp_path):
    table = {
        "image": [encoded(i) for i in range(3)],
        "caption": CAPTIONS,
        "image_id": pa.array([None] * 3, pa.int64()),
    }
    pq.write_table(pa.table(table), tmp_path / "a.parquet")
    assert load(tmp_path)["image_id"][:] == [0, 1, 2]


def test_ids_join_what_bytes_do_not_and_the_other_way_round_it_is_said(tmp_path, caplog):
    """An id is the user's word: it joins views of one photo, and it keeps apart what has the same bytes."""
    rows = load(three_photos_twice(tmp_path, image_id=[1, 2, 3, 3, 4, 3]))
    assert groups(rows) == [[0], [1], [2, 3, 5], [4]]
    assert "2 photos have the bytes of another photo, but not its 'image_id'" in caplog.text
    assert "1 photos have rows of different bytes" in caplog.text
    last = rows.filter(lambda row: row["caption"] == "caption 5")[0]
    assert last["image"].tobytes() == photo(2).tobytes()  # each caption keeps its own photo


def test_spellings_links_and_copies_of_a_file_are_one_photo(tmp_path):
    write_photos(tmp_path, ["a.jpg", "b.jpg"])
    (tmp_path / "copy.jpg").write_bytes((tmp_path / "a.jpg").read_bytes())
    os.symlink(tmp_path / "a.jpg", tmp_path / "link.jpg")
    names = ["a.jpg", "./a.jpg", f"../{tmp_path.name}/a.jpg", "copy.jpg", "link.jpg", "b.jpg"]
    file = write_table(tmp_path, ".csv", {"path": names, "caption": [f"caption {i}" for i in range(6)]})
    assert groups(load(file)) == [[0, 1, 2, 3, 4], [5]]


def test_image_folder_metadata_with_repeated_file_names(tmp_path):
    write_photos(tmp_path, NAMES)
    lines = [{"file_name": NAMES[i // 2], "caption": f"caption {i}"} for i in range(6)]
    (tmp_path / "metadata.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert groups(load(tmp_path)) == IN_PAIRS


def test_photos_that_no_metadata_describes_are_no_fault(tmp_path):
    write_photos(tmp_path, (*NAMES, "lonely.jpg"))
    lines = [{"file_name": name, "caption": text} for name, text in zip(NAMES, CAPTIONS, strict=True)]
    (tmp_path / "metadata.jsonl").write_text("\n".join(map(json.dumps, lines)))
    check_three(load(tmp_path))


def test_it_is_said_when_every_row_is_a_photo_of_its_own(tmp_path, caplog):
    file = write_table(write_photos(tmp_path, NAMES), ".csv", {"image": list(NAMES), "caption": CAPTIONS})
    check_three(load(file))
    assert "no column of image ids" in caplog.text and "every row is taken for a photo of its own" in caplog.text


def test_other_captions_and_categories_of_the_set_are_kept(tmp_path):
    table = {"image": [encoded(i) for i in range(2)], "caption": ["a dog", "a cat"]}
    table |= {"other_captions": [["a red dog"], []], "categories": [["dog", "truck"], None]}
    pq.write_table(pa.table(table), tmp_path / "a.parquet")
    rows = load(tmp_path)
    assert rows["other_captions"][:] == [["a red dog"], []] and rows["categories"][:] == [["dog", "truck"], []]


# --- broken photos ---


def test_photos_of_every_kind(tmp_path):
    """Upper-case endings, gray, CMYK, palette and animated photos are read; the rest is counted by its reason."""
    write_photos(tmp_path, ["UPPER.JPG"])
    photo(1).convert("L").save(tmp_path / "gray.png")
    photo(2).convert("CMYK").save(tmp_path / "cmyk.jpg")
    photo(3).save(tmp_path / "moves.gif", save_all=True, append_images=[photo(4)])
    photo(5).convert("RGBA").save(tmp_path / "alpha.webp")
    photo(6).convert("I;16").save(tmp_path / "deep.png")
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "cut.jpg").write_bytes(encoded(7)[:200])
    (tmp_path / "folder.jpg").mkdir()
    good = ["UPPER.JPG", "gray.png", "cmyk.jpg", "moves.gif", "alpha.webp"]
    names = [*good, "deep.png", "empty.jpg", "cut.jpg", "folder.jpg", "absent.jpg", ""]
    file = write_table(tmp_path, ".csv", {"image": names, "caption": [f"caption {name}" for name in names]})
    rows, skipped = load_captioned_images(str(file), "train")
    assert [caption.removeprefix("caption ") for caption in rows["caption"]] == good
    assert skipped == {skip_reasons.TOO_DEEP: 1, skip_reasons.UNREADABLE: 3, skip_reasons.MISSING: 2}
    assert all(row["image"].convert("RGB").size == (40, 32) for row in rows)


def test_the_three_harms_of_rows_that_hide_their_photo(tmp_path):
    """Held-out rows showed trained photos, negatives were true of the photo, and its captions were each other's."""
    texts = ["a red dog runs", "a dog in red and blue"]
    table = {"image": [encoded(i // 2) for i in range(40)], "caption": texts * 20}
    pq.write_table(pa.table(table), tmp_path / "a.parquet")
    data = load_sources(DataArguments(dataset=str(tmp_path / "a.parquet"), held_out_images=2, num_proc=1))
    trained, held_out = ({row["image"].tobytes() for row in rows} for rows in (data.rows, data.held_out))
    assert len(trained) == 18 and len(held_out) == 2 and not trained & held_out
    made = AddHardNegatives(num_negatives=9, concepts=("color",))(data.rows[:])["negatives"]
    negatives = {negative for of_row in made for negative in of_row}
    assert len(negatives) > 5 and "a blue dog runs" not in negatives
    assert data.rows["image_id"][:2] == [data.rows["image_id"][0]] * 2  # what the losses mask by
