import json

import pytest
from datasets import Dataset, Image
from helpers.captions import CAPTIONS
from helpers.coco_folder import edit_captions
from helpers.models import gray
from PIL import Image as PillowImage

from hf_hardneg.columns import ROW_FEATURES
from hf_hardneg.data import skip_reasons
from hf_hardneg.data.captioned_images import load_captioned_images
from hf_hardneg.data.coco import load_coco
from hf_hardneg.data.files import open_dataset
from hf_hardneg.data.inpainted_pairs import drop_broken_pairs
from hf_hardneg.data.leakage import IN_CHALLENGE_SET, IN_VAL2017, ids_of_pairs, read_challenge_ids
from hf_hardneg.data.long_captions import fit_captions
from hf_hardneg.data.photos import image_problem
from hf_hardneg.data.splits import split_by_image


def test_coco_folder_gives_a_row_per_caption(coco):
    rows, skipped = load_coco(coco)
    assert rows.features == ROW_FEATURES
    assert len(rows) == 60 and not skipped
    first = rows[0]
    assert (first["image_id"], first["caption"], first["categories"]) == (100, CAPTIONS[0], ["truck"])
    assert first["other_captions"] == CAPTIONS[1:]
    assert first["image"].size == (40, 50)
    assert rows[5]["categories"] == []


def test_instances_are_optional(coco):
    (coco / "annotations" / "instances_val2017.json").unlink()
    assert load_coco(coco)[0][0]["categories"] == []


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
        (lambda file: file.unlink(), skip_reasons.MISSING),
        (break_truncated, skip_reasons.UNREADABLE),
        (break_not_an_image, skip_reasons.UNREADABLE),
        (break_tiny, skip_reasons.TOO_SMALL),
        (break_huge, skip_reasons.TOO_LARGE),
    ],
)
def test_photos_that_cannot_be_trained_on_are_skipped_and_counted(coco, spoil, reason):
    spoil(coco / "val2017" / "000000000101.jpg")
    rows, skipped = load_coco(coco)
    assert skipped == {reason: 1}
    assert 101 not in rows["image_id"] and len(rows) == 55


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_gray_and_cmyk_photos_are_kept(coco, mode, processor):
    file = coco / "val2017" / "000000000101.jpg"
    gray().convert(mode).save(file)
    rows, skipped = load_coco(coco)
    assert len(rows) == 60 and not skipped
    pixels = processor.image_processor([rows[5]["image"].convert("RGB")], return_tensors="pt")["pixel_values"]
    assert pixels.shape == (1, 3, 48, 48)


def test_annotations_without_image_and_empty_captions_are_counted(coco):
    def spoil(content):
        content["annotations"][0]["caption"] = "  "
        content["annotations"][5]["image_id"] = 999

    edit_captions(coco, spoil)
    rows, skipped = load_coco(coco)
    assert skipped == {skip_reasons.EMPTY: 1, skip_reasons.NO_IMAGE: 1}
    assert len(rows) == 58


def test_coco_errors_say_what_is_there(coco):
    with pytest.raises(FileNotFoundError, match="val2017.*train2017"):
        load_coco(coco, "train2017")
    file = coco / "annotations" / "captions_val2017.json"
    file.write_text("{")
    with pytest.raises(ValueError, match="not valid JSON"):
        load_coco(coco)
    file.write_text(json.dumps({"photos": []}))
    with pytest.raises(ValueError, match="lacks 'annotations'; it has photos"):
        load_coco(coco)


def parquet_folder(folder, **columns):
    folder.mkdir()
    photos = [PillowImage.new("L", (32, 32), 50 * i) for i in range(3)]
    Dataset.from_dict({"photo": photos, **columns}).cast_column("photo", Image()).to_parquet(folder / "a.parquet")
    return str(folder)


def test_parquet_with_one_or_many_captions_gives_the_same_columns(tmp_path):
    one = parquet_folder(tmp_path / "one", text=["a", "b", "c"])
    many = parquet_folder(tmp_path / "many", text=[["a", "b"], [], ["c", ""]], image_id=[7, 8, 9])
    rows, skipped = load_captioned_images(one, "train", "photo", "text")
    assert rows.features == ROW_FEATURES and not skipped
    assert (rows["caption"][:], rows["image_id"][:]) == (["a", "b", "c"], [0, 1, 2])
    rows, skipped = load_captioned_images(many, "train", "photo", "text")
    assert (rows["caption"][:], rows["image_id"][:]) == (["a", "b", "c"], [7, 7, 9])
    assert rows["other_captions"][:] == [["b"], ["a"], []]
    assert skipped == {skip_reasons.EMPTY: 1}


def test_image_folder_with_captions(tmp_path):
    for name in ("x", "y"):
        gray().save(tmp_path / f"{name}.png")
    lines = [json.dumps({"file_name": f"{name}.png", "caption": f"a {name}"}) for name in ("x", "y")]
    (tmp_path / "metadata.jsonl").write_text("\n".join(lines))
    rows, _ = load_captioned_images(str(tmp_path), "train")
    assert sorted(rows["caption"]) == ["a x", "a y"]


def test_a_missing_column_or_split_names_the_ones_there_are(tmp_path):
    folder = parquet_folder(tmp_path / "p", captions=["a", "b", "c"])
    with pytest.raises(ValueError, match="no column 'caption'.*Did you mean 'captions'"):
        load_captioned_images(folder, "train", "photo", "caption")
    saved = str(tmp_path / "saved")
    from datasets import DatasetDict, load_dataset

    DatasetDict({"test": load_dataset(folder, split="train")}).save_to_disk(saved)
    with pytest.raises(ValueError, match="splits.*test.*not 'train'"):
        open_dataset(saved, "train")


def test_captions_longer_than_the_model_are_left_out_and_counted(coco, processor):
    def spoil(content):
        content["annotations"][0]["caption"] = "a red dog " * 100

    edit_captions(coco, spoil)
    rows, _ = load_coco(coco)
    kept, skipped = fit_captions(rows, processor.tokenizer, 32)
    assert skipped == {skip_reasons.TOO_LONG: 1} and len(kept) == 59
    with pytest.raises(ValueError, match="All 60 captions have more than 1 tokens"):
        fit_captions(rows, processor.tokenizer, 1)


def test_held_out_images_are_in_no_training_row(coco):
    rows, _ = load_coco(coco)
    train, held_out = split_by_image(rows, held_out=500)
    assert len(set(held_out["image_id"])) == 1
    assert not set(held_out["image_id"]) & set(train["image_id"])
    assert len(train) + len(held_out) == 60


def test_a_parquet_folder_keeps_its_splits_apart(tmp_path):
    for split, text in (("train", "a"), ("test", "b")):
        rows = Dataset.from_dict({"image": [gray()], "caption": [text]}).cast_column("image", Image())
        rows.to_parquet(tmp_path / f"{split}.parquet")
    assert load_captioned_images(str(tmp_path), "train")[0]["caption"][:] == ["a"]
    assert load_captioned_images(str(tmp_path), "test")[0]["caption"][:] == ["b"]
    with pytest.raises(ValueError, match="not 'trian'"):
        load_captioned_images(str(tmp_path), "trian")


def test_rows_of_one_image_are_joined_whatever_its_id_looks_like(tmp_path):
    folder = parquet_folder(tmp_path / "p", text=["a", "b", "c"], image_id=["u", "u", "v"])
    rows, _ = load_captioned_images(folder, "train", "photo", "text")
    assert (rows["image_id"][:], rows["other_captions"][:]) == ([0, 0, 1], [["b"], ["a"], []])
    folder = parquet_folder(tmp_path / "q", text=["a", "b", "c"], image_id=[1, None, 2])
    assert load_captioned_images(folder, "train", "photo", "text")[0]["image_id"][:] == [1, 3, 2]


def test_a_column_without_images_is_named(tmp_path):
    folder = parquet_folder(tmp_path / "p", text=["a", "b", "c"])
    with pytest.raises(ValueError, match="'text'.*not images; set --image_column"):
        load_captioned_images(folder, "train", "text", "text")


def test_broken_pairs_are_left_out_and_counted():
    from hf_hardneg.columns import PAIR_FEATURES
    from hf_hardneg.scenes.world import scene_pairs

    good = scene_pairs("broken", 1)
    rows = [dict(row) for row in good.cast_column("coco_image", Image(decode=False))]
    rows[0]["coco_image"] = {"bytes": b"no image", "path": None}
    rows[1]["inpaint_caption"] = " "
    pairs, skipped = drop_broken_pairs(Dataset.from_list(rows, features=PAIR_FEATURES))
    assert pairs["concept"][:] == ["size", "location"]
    assert skipped == {f"pairs: {skip_reasons.UNREADABLE}": 1, f"pairs: {skip_reasons.EMPTY}": 1}


@pytest.mark.parametrize("image", [None, {"bytes": None, "path": None}, {"bytes": b"", "path": None}])
def test_no_image_at_all_is_missing(image):
    assert image_problem(image) == skip_reasons.MISSING


def test_more_than_8_bits_a_channel_is_refused_instead_of_turned_white(tmp_path):
    PillowImage.new("I;16", (32, 32), 30000).save(tmp_path / "deep.png")
    assert image_problem({"bytes": None, "path": str(tmp_path / "deep.png")}) == skip_reasons.TOO_DEEP


def test_one_image_is_too_few(coco):
    rows, _ = load_coco(coco)
    with pytest.raises(ValueError, match="at least 2"):
        split_by_image(rows.select(range(5)), 10)


def test_an_unknown_category_is_named(coco):
    file = coco / "annotations" / "instances_val2017.json"
    content = json.loads(file.read_text())
    content["annotations"][0]["category_id"] = 77
    file.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="category 77"):
        load_coco(coco)


# --- photos of challenge sets are not trained on ---


def rename_split(coco, split):
    """The folder's split val2017 under another name."""
    (coco / "val2017").rename(coco / split)
    for kind in ("captions", "instances"):
        file = coco / "annotations" / f"{kind}_val2017.json"
        file.rename(file.with_name(f"{kind}_{split}.json"))
    return coco


def test_val2017_is_refused_for_training_only_and_train2017_is_not(coco):
    with pytest.raises(ValueError, match=r"val2017 of .* is not trained on.*--dataset_split.*allow_challenge_images"):
        load_coco(coco, challenge=set())
    assert len(load_coco(coco)[0]) == 60  # to look at, to evaluate on
    rows, skipped = load_coco(rename_split(coco, "train2017"), challenge=set())
    assert len(rows) == 60 and not skipped


def test_val2017_under_another_name_is_told_by_coco_url(coco):
    def move(content):
        for image in content["images"]:
            split = "val2017" if image["id"] < 103 else "train2017"
            image["coco_url"] = f"http://images.cocodataset.org/{split}/{image['file_name']}"

    edit_captions(coco, move)
    rows, skipped = load_coco(rename_split(coco, "train"), challenge=set())
    assert skipped == {IN_VAL2017: 3} and min(rows["image_id"]) == 103
    assert len(load_coco(coco)[0]) == 60


def test_photos_of_challenge_sets_are_left_out_by_id_and_counted(coco, tmp_path):
    """COCO 2014's restval overlaps val2017, and only ids tell."""
    rename_split(coco, "restval")
    rows, skipped = load_coco(coco, challenge={100, 111, 999})
    assert skipped == {IN_CHALLENGE_SET: 2} and not {100, 111} & set(rows["image_id"]) and len(rows) == 50
    with pytest.raises(ValueError, match="All 12 photos of .* are refused: .*Take others"):
        load_coco(coco, challenge=set(range(200)))


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"image_id": [7, 8, 9]}, IN_CHALLENGE_SET),
        ({"image_id": ["COCO_val2014_000000000007.jpg", "000000000008", "x"]}, IN_CHALLENGE_SET),
        ({"image_id": [0, 1, 2], "cocoid": [7, 8, 9]}, IN_CHALLENGE_SET),  # Karpathy's
        ({"coco_details": [{"id": 7}, {"id": 8}, None]}, IN_CHALLENGE_SET),  # a challenge set itself
        ({"coco_url": ["http://images.cocodataset.org/val2017/1.jpg", "http://x/train2017/1.jpg", None]}, IN_VAL2017),
    ],
)
def test_other_data_sets_are_searched_by_what_says_the_photo(tmp_path, columns, reason):
    folder = parquet_folder(tmp_path / "p", text=["a", "b", "c"], **columns)
    rows, skipped = load_captioned_images(folder, "train", "photo", "text", challenge={7, 100})
    assert skipped == {reason: 1} and rows["caption"][:] == ["b", "c"]
    assert len(load_captioned_images(folder, "train", "photo", "text")[0]) == 3


def test_row_numbers_are_not_taken_for_ids_and_what_cannot_be_told_is_said(tmp_path, caplog):
    folder = parquet_folder(tmp_path / "p", text=["a", "b", "c"])
    rows, skipped = load_captioned_images(folder, "train", "photo", "text", challenge={0, 1})
    assert len(rows) == 3 and not skipped
    assert "none of the columns coco_details, coco_url, cocoid, coco_id, image_id" in caplog.text


def test_ids_of_a_challenge_set_include_those_of_cut_outs(tmp_path):
    pairs = [
        {"coco_details": {"id": 1}, "inpaint_details": {"source_image_id": 5}},
        {"coco_details": None, "inpaint_details": {"prompt": "x"}},
        {"image_id": 3},
    ]
    assert ids_of_pairs(pairs) == {1, 3, 5}
    Dataset.from_list(pairs[:2]).to_parquet(tmp_path / "test.parquet")
    assert read_challenge_ids(str(tmp_path)) == {1, 5}
    (tmp_path / "none").mkdir()
    Dataset.from_dict({"caption": ["a"]}).to_parquet(tmp_path / "none" / "test.parquet")
    with pytest.raises(ValueError, match=r"says no COCO image id: .*only \['caption'\]"):
        read_challenge_ids(str(tmp_path / "none"))


def test_a_run_refuses_counts_and_says_so(coco, tmp_path, caplog):
    from hf_hardneg.training.arguments import DataArguments
    from hf_hardneg.training.prepare import load_sources

    rename_split(coco, "train2017")
    for name, number in (("sets", 100), ("pairs", 101)):
        (tmp_path / name).mkdir()
        pairs = {"coco_details": [{"id": number}], "coco_image": [gray()], "inpaint_image": [gray()], "mask": [gray()]}
        pairs |= {"concept": ["color"], "coco_caption": ["a"], "inpaint_caption": ["b"]}
        dataset = Dataset.from_dict(pairs)
        for column in ("coco_image", "inpaint_image", "mask"):
            dataset = dataset.cast_column(column, Image())
        dataset.to_parquet(tmp_path / name / "test.parquet")
    named = {"challenge_sets": [str(tmp_path / "sets")], "pairs": str(tmp_path / "pairs")}
    data = load_sources(DataArguments(dataset=str(coco), num_proc=1, **named))
    assert data.skipped == {IN_CHALLENGE_SET: 2}
    assert not {100, 101} & {*data.rows["image_id"], *data.held_out["image_id"]}
    assert "Not trained on: 2 photos of challenge sets" in caplog.text
    allowed = DataArguments(dataset=str(coco), num_proc=1, allow_challenge_images=True, **named)
    data = load_sources(allowed)
    assert not data.skipped and {100, 101} <= {*data.rows["image_id"], *data.held_out["image_id"]}
    assert "may be trained on: allow_challenge_images" in caplog.text
