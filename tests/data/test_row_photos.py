"""Which rows show one photo: training, negatives, given negatives, evaluation and challenge photos tell it alike."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Dataset, Features, Image, List, Value
from helpers.coco_folder import write_json
from helpers.photos import encoded, photo, write_photos

from hf_hardneg.data.captioned_images import load_captioned_images
from hf_hardneg.data.captions import read_captions
from hf_hardneg.data.coco import load_coco
from hf_hardneg.data.given_negatives import join_negatives, read_given_negatives
from hf_hardneg.data.inpainted_pairs import image_id_of
from hf_hardneg.data.karpathy import load_karpathy
from hf_hardneg.data.leakage import IN_CHALLENGE_SET, ids_of_pairs, read_challenge_ids, why_refused
from hf_hardneg.data.streaming import caption_rows, examples, find_stream_columns, open_stream, text_columns
from hf_hardneg.evaluation.benchmarks import load_benchmark
from hf_hardneg.training.prepare_stream import take_held_out


IN_PAIRS = [[0, 1], [2, 3], [4, 5]]
PATHS = [f"{i // 2}.jpg" for i in range(6)]
TEXTS = [f"caption {i}" for i in range(6)]


def groups(image_ids, captions):
    """The numbers of the captions of each image id."""
    found = {}
    for image_id, caption in zip(image_ids, captions, strict=True):
        found.setdefault(image_id, []).append(int(caption.split()[1]))
    return sorted(found.values())


def write_lines(folder, columns):
    """A table of the photos 0.jpg to 2.jpg as JSON lines, whose cells keep their types."""
    write_photos(folder, sorted(set(PATHS)))
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    (folder / "photos.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return str(folder / "photos.jsonl")


def write_embedded(folder, **columns):
    """Photos 0, 0, 1, 1, 2, 2 in Parquet, without ids."""
    images = [{"bytes": encoded(i // 2), "path": None} for i in range(6)]
    features = Features({"image": Image(), "caption": Value("string")})
    rows = Dataset.from_dict({"image": images, "caption": TEXTS}, features=features)
    for name, values in columns.items():
        rows = rows.add_column(name, values)
    folder.mkdir(exist_ok=True)
    rows.to_parquet(folder / "test.parquet")
    return str(folder)


def check_alike(source, expected, split="train"):
    """Training and `hf-hardneg negatives` give each caption the same image id, and the same other captions."""
    trained, (captions, _) = load_captioned_images(source, split)[0], read_captions(source, split=split)
    assert groups(trained["image_id"], trained["caption"]) == expected
    of_captions, of_training = (
        {row["caption"]: (row["image_id"], sorted(row["other_captions"])) for row in rows}
        for rows in (captions, trained.remove_columns("image"))
    )
    assert of_captions == of_training


def test_ids_with_the_point_of_a_column_with_gaps_are_whole_numbers(tmp_path):
    ids = ["7", "7.0", "8", "8.0", "9.0", " 9"]
    source = write_lines(tmp_path, {"image": PATHS, "caption": TEXTS, "image_id": ids})
    check_alike(source, IN_PAIRS)
    assert set(read_captions(source)[0]["image_id"]) == {7, 8, 9}


SPELLED = ["imageId", "Image_ID", "IMAGE_ID", "imgId", "cocoid", "Photo_Id"]


@pytest.mark.parametrize("column", SPELLED)
def test_every_spelling_of_an_id_joins_rows(tmp_path, column):
    ids = [f"photo {i // 2}" for i in range(6)]
    source = write_lines(tmp_path, {"filepath": PATHS[:3] * 2, "caption": TEXTS, column: ids})
    check_alike(source, IN_PAIRS)


@pytest.mark.parametrize("photos_are_there", [True, False])
@pytest.mark.parametrize("column", ["Filename", "FileName", "image_name", "img_path", "Image", "img", "photo", "file"])
def test_every_name_of_a_path_joins_rows(tmp_path, column, photos_are_there):
    source = write_lines(tmp_path, {column: PATHS, "caption": TEXTS})
    if photos_are_there:
        check_alike(source, IN_PAIRS)
    else:
        for name in set(PATHS):
            (tmp_path / name).unlink()
        rows, _ = read_captions(source)
        assert groups(rows["image_id"], rows["caption"]) == IN_PAIRS


@pytest.mark.parametrize(
    "columns",
    [
        {"filepath": ["val2014", "train2014"] * 3, "filename": [PATHS[i // 2] for i in (0, 2, 0, 2, 4, 4)]},
        {"file": ["a.txt", "b.txt"] * 3, "image_name": PATHS[::2] * 2},
    ],
)
def test_folders_and_files_of_captions_are_no_names_of_photos(tmp_path, columns):
    rows, _ = read_captions(write_lines(tmp_path / "elsewhere", {"caption": TEXTS} | columns))
    assert all(len(of_photo) <= 2 for of_photo in groups(rows["image_id"], rows["caption"]))


def test_urls_join_captions_that_are_not_trained_on_yet(tmp_path):
    rows, _ = read_captions(write_lines(tmp_path, {"url": [f"https://x.org/{one}" for one in PATHS], "text": TEXTS}))
    assert groups(rows["image_id"], rows["caption"]) == IN_PAIRS


@pytest.mark.parametrize(
    "columns",
    [
        {},
        {"filename": ["0.tar", "1.tar"] * 3},  # the shard that a row came from
        {"filename": [f"{i % 3}.jpg" for i in range(6)]},  # equal names in two folders
        {"image_id": [None, None, "b", None, None, "c"]},
        {"image_id": [None, None, 7, None, None, 9]},
    ],
)
def test_bytes_join_rows_and_names_do_not_contradict_them(tmp_path, columns):
    source = write_embedded(tmp_path / "set", **columns)
    check_alike(source, IN_PAIRS, "test")
    (task,) = load_benchmark(f"flickr30k={source}")
    assert sorted(task.captions.values()) == [[f"caption {i}" for i in of_photo] for of_photo in IN_PAIRS]


def test_a_copy_of_a_file_under_another_name_shifts_no_number(tmp_path):
    write_photos(tmp_path, ["0.jpg"])
    (tmp_path / "copy.jpg").write_bytes((tmp_path / "0.jpg").read_bytes())
    source = write_lines(tmp_path, {"image": [*PATHS[:4], "copy.jpg", PATHS[4]], "caption": TEXTS})
    check_alike(source, [[0, 1, 4], [2, 3], [5]])


def test_files_of_one_size_are_told_apart_by_their_bytes(tmp_path):
    source = write_lines(tmp_path, {"image": PATHS, "caption": TEXTS})
    size = max(file.stat().st_size for file in tmp_path.glob("*.jpg"))
    for file in tmp_path.glob("*.jpg"):
        file.write_bytes(file.read_bytes().ljust(size, b"\0"))  # what follows a JPEG is not looked at
    check_alike(source, IN_PAIRS)


def test_texts_as_ids_of_coco_are_numbered_alike_whatever_their_order(tmp_path, coco):
    file = coco / "annotations" / "captions_val2017.json"
    data = json.loads(file.read_text())
    for one in data["images"]:
        one["id"] = f"photo {one['id']}"
    for one in data["annotations"]:
        one["image_id"] = f"photo {one['image_id']}"
    data["images"].reverse()
    write_json(file, data)
    (coco / "annotations" / "instances_val2017.json").unlink()
    trained, captions = load_coco(coco)[0], read_captions(str(file))[0]
    assert {*zip(trained["image_id"], trained["caption"], strict=True)} == {
        *zip(captions["image_id"], captions["caption"], strict=True)
    }


def test_negatives_are_made_for_karpathys_file_and_its_folder(tmp_path):
    names = [f"COCO_val2014_{i:012}.jpg" for i in range(4)]
    write_photos(tmp_path, names)
    splits = ["train", "restval", "train", "val"]
    images = [
        {"filename": name, "split": split, "sentences": [{"raw": f"caption {2 * i}"}, {"raw": f"caption {2 * i + 1}"}]}
        for i, (name, split) in enumerate(zip(names, splits, strict=True))
    ]
    write_json(tmp_path / "dataset_coco.json", {"images": images})
    trained, skipped = load_karpathy(tmp_path / "dataset_coco.json", challenge={0})
    assert skipped == {IN_CHALLENGE_SET: 1}
    for source in (tmp_path, tmp_path / "dataset_coco.json"):
        rows, _ = read_captions(str(source))
        assert groups(rows["image_id"], rows["caption"]) == IN_PAIRS
        assert rows["other_captions"][0] == ["caption 1"]
        of_caption = dict(zip(rows["caption"], rows["image_id"], strict=True))
        assert [of_caption[caption] for caption in trained["caption"]] == trained["image_id"][:]
    assert read_captions(str(tmp_path), split="val")[0]["caption"][:] == ["caption 6", "caption 7"]


# --- evaluation ---


def test_a_row_for_each_caption_is_scored_like_a_row_for_each_photo(tmp_path):
    ids = [700 + i // 2 for i in range(6)]
    flat = write_embedded(tmp_path / "flat", image_id=ids)
    features = Features({"image": Image(), "caption": List(Value("string")), "image_id": Value("int64")})
    images = [{"bytes": encoded(i), "path": None} for i in range(3)]
    table = {"image": images, "caption": [TEXTS[:2], TEXTS[2:4], TEXTS[4:]], "image_id": ids[::2]}
    (tmp_path / "list").mkdir()
    Dataset.from_dict(table, features=features).to_parquet(tmp_path / "list" / "test.parquet")
    (of_flat,), (of_list,) = (load_benchmark(f"flickr30k={one}") for one in (flat, tmp_path / "list"))
    assert of_flat.captions == of_list.captions and list(of_flat.captions) == [700, 701, 702]
    assert of_flat.group == of_list.group == "3 images"
    assert [one.key for one in of_flat.images.values()] == [one.key for one in of_list.images.values()]


def save_captions(folder, captions):
    rows = Dataset.from_dict({"image": [photo(i) for i in range(3)], "caption": captions})
    rows.cast_column("image", Image()).save_to_disk(folder)
    return f"flickr30k={folder}"


def test_cells_of_evaluation_are_read_as_those_of_training(tmp_path):
    (task,) = load_benchmark(save_captions(tmp_path / "objects", [[{"raw": text}] for text in TEXTS[:3]]))
    assert list(task.captions.values()) == [[text] for text in TEXTS[:3]]
    with pytest.raises(ValueError, match=r"'caption' of .* holds in row 0 int 0, where a caption is a string"):
        load_benchmark(save_captions(tmp_path / "numbers", [0, 1, 2]))


# --- which column has the photos ---


def write_beside(folder, paths, beside, values):
    write_photos(folder, sorted(set(PATHS)))
    table = {paths: pa.array(PATHS[::2]), beside: values, "caption": pa.array(TEXTS[:3])}
    pq.write_table(pa.table(table), folder / "a.parquet")
    return str(folder / "a.parquet")


def test_a_mask_is_not_taken_for_the_photo_that_is_named_beside_it(tmp_path):
    masks = [{"bytes": encoded(9), "path": None}] * 3
    for paths, beside, values in (("image", "mask", masks), ("Photo", "segmentation", [encoded(9)] * 3)):
        rows, _ = load_captioned_images(write_beside(tmp_path, paths, beside, values), "train")
        contents = [open(one["path"], "rb").read() for one in rows.cast_column("image", Image(decode=False))["image"]]
        assert contents == [(tmp_path / name).read_bytes() for name in PATHS[::2]]
    with pytest.raises(ValueError, match=r"may hold the photos: 'filepath', 'depth'.*--image_column"):
        load_captioned_images(write_beside(tmp_path, "filepath", "depth", masks), "train")


def test_a_column_of_other_bytes_is_named(tmp_path):
    pq.write_table(pa.table({"clip_embedding": [b"123"] * 3, "caption": TEXTS[:3]}), tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=r"'clip_embedding' of .* holds no image that can be read.*--image_column"):
        load_captioned_images(str(tmp_path), "train")


# --- streams ---


def stream_rows(source):
    stream = open_stream(source)
    columns = find_stream_columns(stream, source, None, None)
    return [row for raw in examples(stream) for row in caption_rows(raw, columns, None, print)], stream, columns


def test_streams_read_other_captions_and_every_spelling_of_an_id(tmp_path):
    table = {"filepath": PATHS[:3] * 2, "caption": TEXTS, "imageId": [f"photo {i // 2}" for i in range(6)]}
    rows, *_ = stream_rows(write_lines(tmp_path, table | {"other_captions": [["a red dog", " ", TEXTS[0]]] * 6}))
    assert groups([row["image_id"] for row in rows], [row["caption"] for row in rows]) == IN_PAIRS
    assert rows[0]["other_captions"] == ["a red dog"] and rows[1]["other_captions"] == ["a red dog", TEXTS[0]]
    images = [{"bytes": encoded(i), "path": None} for i in range(3)]
    pq.write_table(
        pa.table({"image": images, "caption": TEXTS[:3], "imageId": [1, 2, 3], "other_captions": [["a"]] * 3}),
        tmp_path / "a.parquet",
    )
    _, stream, columns = stream_rows(str(tmp_path / "a.parquet"))
    assert sorted(text_columns(stream, columns)) == ["caption", "imageId", "other_captions"]


@pytest.mark.parametrize(("others", "warns"), [(None, True), ([[TEXTS[i ^ 1]] for i in range(6)], False)])
def test_captions_of_a_photo_in_several_rows_of_a_stream_are_warned_of(tmp_path, caplog, others, warns):
    source = write_lines(
        tmp_path, {"filepath": PATHS, "caption": TEXTS} | ({"other_captions": others} if others else {})
    )
    _, stream, columns = stream_rows(source)
    take_held_out(examples(stream), columns, None, 2, 1.0)
    assert ("2 of the held-out photos have captions in several rows of the stream" in caplog.text) == warns


# --- given negatives ---


def given(folder, rows):
    (folder / "given.json").write_text(json.dumps(rows))
    return read_given_negatives(str(folder / "given.json"))


def test_a_row_that_the_ids_do_not_find_is_joined_by_its_caption(tmp_path):
    rows = [{"image_id": i, "caption": f"a dog {i}", "negatives": [f"a cat {i}"]} for i in range(4)]
    found = given(tmp_path, [*rows, {"image_id": 9, "caption": "a dog 0", "negatives": []}])
    join = join_negatives(found, [0, 1, 12, 9], ["a dog 0", "a dog 1", "a dog 2", "a dog 0"])
    assert [[text for text, _ in of_row] for of_row in join.rows] == [["a cat 0"], ["a cat 1"], ["a cat 2"], []]
    assert (join.matched, join.unmatched_captions) == (3, 1) and "(2) or by caption alone (1)" in join.by


def test_negatives_of_a_table_with_some_ids_meet_all_its_rows(tmp_path):
    ids = ["a", "a", None, None, "c", "c"]
    source = write_lines(tmp_path, {"filepath": PATHS, "caption": TEXTS, "image_id": ids})
    rows, _ = read_captions(source)
    made = [{**row, "negatives": [f"no {row['caption']}"]} for row in rows.select_columns(["image_id", "caption"])]
    trained, _ = load_captioned_images(source, "train")
    join = join_negatives(given(tmp_path, made), trained["image_id"], trained["caption"])
    assert [of_row for ((of_row, _),) in join.rows] == [f"no {text}" for text in trained["caption"]]
    assert join.by == "image id and caption"


# --- photos of challenge sets ---

SPELLINGS = [139, 139.0, "139", "139.0", "000000000139", "COCO_val2014_000000000139.jpg"]


@pytest.mark.parametrize("value", SPELLINGS)
def test_a_challenge_set_says_its_photos_in_any_type(tmp_path, value):
    assert ids_of_pairs([{"coco_details": {"id": value}}]) == {139}
    assert ids_of_pairs([{"inpaint_details": {"source_image_id": value}}]) == {139}
    assert image_id_of({"coco_details": {"id": value}}) == image_id_of({"image_id": value}) == 139
    for name, column in (("a", {"coco_details": [{"id": value}]}), ("b", {"image_id": [value]})):
        (tmp_path / name).mkdir()
        Dataset.from_dict(column).to_parquet(tmp_path / name / "test.parquet")
        assert read_challenge_ids(str(tmp_path / name)) == {139}


@pytest.mark.parametrize(
    "row",
    [
        *({name: 139} for name in ("imageId", "cocoId", "COCO_ID", "image_ID")),
        {"imgid": 5, "filename": "COCO_val2014_000000000139.jpg"},
        {"filepath": "val2014", "filename": "COCO_val2014_000000000139.jpg"},
        {"image_id": 0, "file_name": "000000000139.jpg"},
        {"cocoid": None, "coco_url": "http://images.cocodataset.org/train2017/000000000139.jpg"},
        {"image_id": 0, "URL": "http://images.cocodataset.org/train2017/000000000139.jpg"},
        {"image_id": 0, "image": {"bytes": b"x", "path": "000000000139.jpg"}},
    ],
)
def test_every_sign_of_a_challenge_photo_refuses_it(tmp_path, caplog, row):
    assert why_refused(row, {139}) == IN_CHALLENGE_SET and why_refused(row, {5, 0} - {row.get("image_id")}) is None
    if "image" in row:
        return
    write_photos(tmp_path, ["a.jpg", "b.jpg"])
    lines = [{"image": "a.jpg", "caption": "a", **row}, {"image": "b.jpg", "caption": "b", **dict.fromkeys(row)}]
    (tmp_path / "photos.jsonl").write_text("\n".join(map(json.dumps, lines)))
    rows, skipped = load_captioned_images(str(tmp_path / "photos.jsonl"), "train", challenge={139})
    assert rows["caption"][:] == ["b"] and skipped == {IN_CHALLENGE_SET: 1}
    assert "whether its photos are in the challenge sets is not known" not in caplog.text


def test_a_challenge_set_without_ids_says_what_it_has(tmp_path):
    Dataset.from_dict({"coco_details": [{"id": "x"}], "image_id": ["y"]}).to_parquet(tmp_path / "test.parquet")
    with pytest.raises(ValueError, match="says no COCO image id: its coco_details, image_id hold none") as error:
        read_challenge_ids(str(tmp_path))
    assert "Did you mean" not in str(error.value)
