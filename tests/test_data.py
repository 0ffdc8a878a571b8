import json

import pytest
from conftest import CAPTIONS, edit_captions, gray
from datasets import Dataset, Image
from PIL import Image as PillowImage

from hf_hardneg import data
from hf_hardneg.columns import ROW_FEATURES


def test_coco_folder_gives_a_row_per_caption(coco):
    rows, skipped = data.load_coco(coco)
    assert rows.features == ROW_FEATURES
    assert len(rows) == 60 and not skipped
    first = rows[0]
    assert (first["image_id"], first["caption"], first["categories"]) == (100, CAPTIONS[0], ["truck"])
    assert first["other_captions"] == CAPTIONS[1:]
    assert first["image"].size == (40, 50)
    assert rows[5]["categories"] == []


def test_instances_are_optional(coco):
    (coco / "annotations" / "instances_val2017.json").unlink()
    assert data.load_coco(coco)[0][0]["categories"] == []


def break_truncated(file):
    file.write_bytes(file.read_bytes()[:300])


def break_not_an_image(file):
    file.write_text("<html>404</html>")


def break_tiny(file):
    PillowImage.new("RGB", (1, 1)).save(file)


def break_huge(file):
    # A valid header of 20,000 x 20,000 pixels in a small file.
    PillowImage.new("1", (20000, 20000)).save(file, "PNG")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda file: file.unlink(), data.MISSING),
        (break_truncated, data.UNREADABLE),
        (break_not_an_image, data.UNREADABLE),
        (break_tiny, data.TOO_SMALL),
        (break_huge, data.TOO_LARGE),
    ],
)
def test_photos_that_cannot_be_trained_on_are_skipped_and_counted(coco, spoil, reason):
    spoil(coco / "val2017" / "000000000101.jpg")
    rows, skipped = data.load_coco(coco)
    assert skipped == {reason: 1}
    assert 101 not in rows["image_id"] and len(rows) == 55


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_gray_and_cmyk_photos_are_kept(coco, mode, processor):
    file = coco / "val2017" / "000000000101.jpg"
    gray().convert(mode).save(file)
    rows, skipped = data.load_coco(coco)
    assert len(rows) == 60 and not skipped
    pixels = processor.image_processor([rows[5]["image"].convert("RGB")], return_tensors="pt")["pixel_values"]
    assert pixels.shape == (1, 3, 48, 48)


def test_annotations_without_image_and_empty_captions_are_counted(coco):
    def spoil(content):
        content["annotations"][0]["caption"] = "  "
        content["annotations"][5]["image_id"] = 999

    edit_captions(coco, spoil)
    rows, skipped = data.load_coco(coco)
    assert skipped == {data.EMPTY: 1, data.NO_IMAGE: 1}
    assert len(rows) == 58


def test_coco_errors_say_what_is_there(coco):
    with pytest.raises(FileNotFoundError, match="val2017.*train2017"):
        data.load_coco(coco, "train2017")
    file = coco / "annotations" / "captions_val2017.json"
    file.write_text("{")
    with pytest.raises(ValueError, match="not valid JSON"):
        data.load_coco(coco)
    file.write_text(json.dumps({"photos": []}))
    with pytest.raises(ValueError, match="photos.*images and annotations"):
        data.load_coco(coco)


def parquet_folder(folder, **columns):
    folder.mkdir()
    Dataset.from_dict({"photo": [gray()] * 3, **columns}).cast_column("photo", Image()).to_parquet(
        folder / "a.parquet"
    )
    return str(folder)


def test_parquet_with_one_or_many_captions_gives_the_same_columns(tmp_path):
    one = parquet_folder(tmp_path / "one", text=["a", "b", "c"])
    many = parquet_folder(tmp_path / "many", text=[["a", "b"], [], ["c", ""]], image_id=[7, 8, 9])
    rows, skipped = data.load_captioned_images(one, "train", "photo", "text")
    assert rows.features == ROW_FEATURES and not skipped
    assert (rows["caption"][:], rows["image_id"][:]) == (["a", "b", "c"], [0, 1, 2])
    rows, skipped = data.load_captioned_images(many, "train", "photo", "text")
    assert (rows["caption"][:], rows["image_id"][:]) == (["a", "b", "c"], [7, 7, 9])
    assert rows["other_captions"][:] == [["b"], ["a"], []]
    assert skipped == {data.EMPTY: 1}


def test_image_folder_with_captions(tmp_path):
    for name in ("x", "y"):
        gray().save(tmp_path / f"{name}.png")
    lines = [json.dumps({"file_name": f"{name}.png", "caption": f"a {name}"}) for name in ("x", "y")]
    (tmp_path / "metadata.jsonl").write_text("\n".join(lines))
    rows, _ = data.load_captioned_images(str(tmp_path), "train")
    assert sorted(rows["caption"]) == ["a x", "a y"]


def test_a_missing_column_or_split_names_the_ones_there_are(tmp_path):
    folder = parquet_folder(tmp_path / "p", captions=["a", "b", "c"])
    with pytest.raises(ValueError, match="no column 'caption'.*Did you mean 'captions'"):
        data.load_captioned_images(folder, "train", "photo", "caption")
    saved = str(tmp_path / "saved")
    from datasets import DatasetDict, load_dataset

    DatasetDict({"test": load_dataset(folder, split="train")}).save_to_disk(saved)
    with pytest.raises(ValueError, match="splits.*test.*not 'train'"):
        data.open_dataset(saved, "train")


def test_captions_longer_than_the_model_are_left_out_and_counted(coco, processor):
    def spoil(content):
        content["annotations"][0]["caption"] = "a red dog " * 100

    edit_captions(coco, spoil)
    rows, _ = data.load_coco(coco)
    kept, skipped = data.drop_long_captions(rows, processor.tokenizer, 32)
    assert skipped == {data.TOO_LONG: 1} and len(kept) == 59
    with pytest.raises(ValueError, match="All 60 captions have more than 1 tokens"):
        data.drop_long_captions(rows, processor.tokenizer, 1)


def test_held_out_images_are_in_no_training_row(coco):
    rows, _ = data.load_coco(coco)
    train, held_out = data.split_by_image(rows, held_out=500)
    assert len(set(held_out["image_id"])) == 1
    assert not set(held_out["image_id"]) & set(train["image_id"])
    assert len(train) + len(held_out) == 60


def test_a_parquet_folder_keeps_its_splits_apart(tmp_path):
    for split, text in (("train", "a"), ("test", "b")):
        rows = Dataset.from_dict({"image": [gray()], "caption": [text]}).cast_column("image", Image())
        rows.to_parquet(tmp_path / f"{split}.parquet")
    assert data.load_captioned_images(str(tmp_path), "train")[0]["caption"][:] == ["a"]
    assert data.load_captioned_images(str(tmp_path), "test")[0]["caption"][:] == ["b"]
    with pytest.raises(ValueError, match="not 'trian'"):
        data.load_captioned_images(str(tmp_path), "trian")


def test_rows_of_one_image_are_joined_whatever_its_id_looks_like(tmp_path):
    folder = parquet_folder(tmp_path / "p", text=["a", "b", "c"], image_id=["u", "u", "v"])
    rows, _ = data.load_captioned_images(folder, "train", "photo", "text")
    assert (rows["image_id"][:], rows["other_captions"][:]) == ([0, 0, 1], [["b"], ["a"], []])
    folder = parquet_folder(tmp_path / "q", text=["a", "b", "c"], image_id=[1, None, 2])
    with pytest.raises(ValueError, match="'image_id'.*empty in 1 rows"):
        data.load_captioned_images(folder, "train", "photo", "text")


def test_a_column_without_images_is_named(tmp_path):
    folder = parquet_folder(tmp_path / "p", text=["a", "b", "c"])
    with pytest.raises(ValueError, match="'text'.*not images; set image_column"):
        data.load_captioned_images(folder, "train", "text", "text")


def test_broken_pairs_are_left_out_and_counted():
    from hf_hardneg.columns import PAIR_FEATURES
    from hf_hardneg.scenes import scene_pairs

    good = scene_pairs("broken", 1)
    rows = [dict(row) for row in good.cast_column("coco_image", Image(decode=False))]
    rows[0]["coco_image"] = {"bytes": b"no image", "path": None}
    rows[1]["inpaint_caption"] = " "
    pairs, skipped = data.drop_broken_pairs(Dataset.from_list(rows, features=PAIR_FEATURES))
    assert pairs["concept"][:] == ["size", "location"]
    assert skipped == {f"pairs: {data.UNREADABLE}": 1, f"pairs: {data.EMPTY}": 1}


@pytest.mark.parametrize("image", [None, {"bytes": None, "path": None}, {"bytes": b"", "path": None}])
def test_no_image_at_all_is_missing(image):
    assert data.image_problem(image) == data.MISSING


def test_more_than_8_bits_a_channel_is_refused_instead_of_turned_white(tmp_path):
    PillowImage.new("I;16", (32, 32), 30000).save(tmp_path / "deep.png")
    assert data.image_problem({"bytes": None, "path": str(tmp_path / "deep.png")}) == data.TOO_DEEP


def test_one_image_is_too_few(coco):
    rows, _ = data.load_coco(coco)
    with pytest.raises(ValueError, match="at least 2"):
        data.split_by_image(rows.select(range(5)), 10)


def test_an_unknown_category_is_named(coco):
    file = coco / "annotations" / "instances_val2017.json"
    content = json.loads(file.read_text())
    content["annotations"][0]["category_id"] = 77
    file.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="category 77"):
        data.load_coco(coco)
