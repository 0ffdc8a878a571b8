"""Each defect is planted into a good set, and exactly its reason comes out."""

import io
import json

import numpy as np
import pytest
from datasets import Dataset, Features, Value, load_dataset
from helpers.inpainting_folder import disk, ground
from PIL import Image, ImageFilter

from hf_hardneg.cli import main
from hf_hardneg.columns import PAIR_FEATURES
from hf_hardneg.data.skip_reasons import MISSING, UNREADABLE
from hf_hardneg.inpainting.check import pair_faults as v
from hf_hardneg.inpainting.check.validation_report import format_validation, validate_set


FEATURES = Features({**PAIR_FEATURES, "coco_details": {"id": Value("int64")}, "worker": Value("string")})
MASK = disk(320, 240, (120, 80, 200, 170))


def photo(seed):
    return np.array(ground(seed))


def recolored(pixels, mask=MASK, shift=60):
    return np.where(mask[..., None], pixels.astype(int) - shift, pixels).clip(0, 255).astype(np.uint8)


def png(pixels, form="PNG", **settings):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form, **settings)
    return {"bytes": buffer.getvalue(), "path": None}


def good(seed):
    pixels = photo(seed)
    return {
        "concept": "color",
        "coco_caption": f"A red bus on road {seed}.",
        "coco_image": png(pixels),
        "inpaint_caption": f"An orange bus on road {seed}.",
        "inpaint_image": png(recolored(pixels)),
        "mask": png(MASK.astype(np.uint8) * 255),
        "coco_details": {"id": seed},
        "worker": "ann",
    }


def save(folder, rows):
    folder.mkdir()
    Dataset.from_list(rows, features=FEATURES).to_parquet(folder / "test.parquet")
    return str(folder)


def with_mask(share):
    mask = np.zeros((240, 320), np.uint8)
    mask[:, : int(320 * share)] = 255
    return {"mask": png(mask), "inpaint_image": png(recolored(photo(2), mask > 0))}


def block_outside():
    pixels = recolored(photo(2))
    pixels[10:50, 10:50] = 0
    return {"inpaint_image": png(pixels)}


def cut(image):
    return {**image, "bytes": image["bytes"][:900]}


DEFECTS = {
    "empty": ({"inpaint_caption": " \n"}, v.EMPTY_INPAINT),
    "no original": ({"coco_caption": None}, v.EMPTY_COCO),
    "equal": ({"inpaint_caption": " a RED bus  on road 2. "}, v.EQUAL_CAPTIONS),
    "spans": ({"inpaint_caption": "A blue bus on a road 2."}, v.MANY_SPANS),
    "concept": ({"concept": "colour"}, v.UNKNOWN_CONCEPT),
    "no concept": ({"concept": None}, v.UNKNOWN_CONCEPT),
    "black mask": ({"mask": png(np.zeros((240, 320), np.uint8))}, v.EMPTY_MASK),
    "large mask": (with_mask(0.31), v.LARGE_MASK),
    "small mask": ({"mask": png(np.zeros((100, 320), np.uint8))}, v.OTHER_SIZE),
    "small edit": ({"inpaint_image": png(recolored(photo(2))[:200])}, v.OTHER_SIZE),
    "block outside": (block_outside(), v.CHANGED_OUTSIDE),
    "other photo": ({"inpaint_image": png(255 - photo(2))}, v.CHANGED_OUTSIDE),
    "unchanged": ({"inpaint_image": png(photo(2))}, v.UNCHANGED),
    "as JPEG": ({"inpaint_image": png(recolored(photo(2)), "JPEG", quality=90)}, v.ALTERED_OUTSIDE),
    "no mask": ({"mask": None}, f"mask: {MISSING}"),
    "broken": ({"coco_image": {"bytes": b"<html>", "path": None}}, f"coco_image: {UNREADABLE}"),
    "cut": ({"inpaint_image": cut(good(2)["inpaint_image"])}, f"inpaint_image: {UNREADABLE}"),
    "lost": ({"inpaint_image": None}, f"inpaint_image: {MISSING}"),
}  # fmt: skip


@pytest.mark.parametrize("name", DEFECTS)
def test_a_planted_defect_gives_exactly_its_reason(name, tmp_path):
    change, reason = DEFECTS[name]
    source = save(tmp_path / "set", [good(1), {**good(2), **change}, good(3)])
    report = validate_set(source)
    assert [entry["reasons"] for entry in report["details"]] == [[], [reason], []]
    assert report["reasons"] == {reason: 1} and report["rows"] == 3
    assert report["clean"] == 2 + (reason in v.TOLERATED)
    assert f"      1  {reason}" in format_validation(report)


def test_doubles_are_found_by_photo_and_captions_and_by_the_edited_file(tmp_path):
    again = {
        **good(1),
        "inpaint_image": png(recolored(photo(1), shift=90)),
        "inpaint_caption": "an  ORANGE bus on road 1.",
    }
    other_words = {**good(1), "inpaint_caption": "A green bus on road 1."}
    without_id = {**good(3), "coco_details": None, "inpaint_image": png(recolored(photo(3), shift=90))}
    rows = [good(1), again, other_words, good(2), {**good(3), "coco_details": None}, without_id]  # fmt: skip
    report = validate_set(save(tmp_path / "set", rows))
    found = [entry["reasons"] for entry in report["details"]]
    assert found == [[], [v.SAME_PAIR], [v.SAME_EDIT], [], [], [v.SAME_PAIR]]


def test_several_faults_of_one_row_are_all_named(tmp_path):
    rows = [{**good(1), "inpaint_caption": "", "mask": None, "concept": "shape"}]
    reasons = validate_set(save(tmp_path / "set", rows))["details"][0]["reasons"]
    assert reasons == [v.EMPTY_INPAINT, v.UNKNOWN_CONCEPT, f"mask: {MISSING}"]


def test_the_command_reports_and_saves_what_is_clean(tmp_path, capsys):
    rows = [good(1), {**good(2), "inpaint_caption": ""}, good(3)]
    source, out, file = save(tmp_path / "set", rows), tmp_path / "clean", tmp_path / "report.json"
    main(["inpaint", "validate", source, "--out", str(out), "--json", str(file)])
    printed = capsys.readouterr().out
    assert "3 pairs of set, 2 without a fault" in printed and f"1  {v.EMPTY_INPAINT}" in printed
    assert "untouched in 3 of 3" in printed and str(tmp_path) not in printed.replace(f"Saved in {out}", "")
    report = json.loads(file.read_text())
    assert report["details"][1] == {
        "row": 1, "image_id": 2, "concept": "color", "reasons": [v.EMPTY_INPAINT],
        "difference": report["details"][1]["difference"],
    }  # fmt: skip
    assert report["details"][1]["difference"]["area"] == pytest.approx(MASK.mean(), abs=1e-4)
    clean, whole = load_dataset(str(out)), load_dataset(source, split="test")
    assert list(clean) == ["test"] and clean["test"].features == FEATURES and len(clean["test"]) == 2
    for kept, row in zip(clean["test"], (whole[0], whole[2]), strict=True):
        assert (np.array(kept["inpaint_image"]) == np.array(row["inpaint_image"])).all()
        assert kept["worker"] == "ann" and kept["coco_details"] == row["coco_details"]
    assert json.loads((out / "validation.json").read_text()) == report
    card = (out / "README.md").read_text()
    assert "The 2 of 3 pairs of set" in card and v.EMPTY_INPAINT in card and "{{" not in card
    main(["inpaint", "validate", str(out), "--out", str(out)])  # over itself: read before it is replaced
    assert len(load_dataset(str(out), split="test")) == 2


def test_bad_input_ends_with_one_sentence(tmp_path):
    def fails(message, *argv):
        with pytest.raises(SystemExit, match=f"(?s)^error: .*{message}"):
            main(["inpaint", "validate", *map(str, argv)])

    (tmp_path / "captions").mkdir()
    Dataset.from_dict({"caption": ["a"]}).to_parquet(tmp_path / "captions" / "test.parquet")
    fails(r"captions has no column 'coco_caption', only \['caption'\]", tmp_path / "captions")
    fails("nowhere", tmp_path / "nowhere")
    source = save(tmp_path / "set", [{**good(1), "coco_caption": ""}])
    fails(r"the splits \['test'\], not 'train'", source, "--split", "train")
    fails(
        r"No row of set is without a fault \(coco_caption is empty 1\); nothing is saved",
        source,
        "--out",
        tmp_path / "clean",
    )
    fails(
        "Cannot write the file .*report.json.*choose another --json", source, "--json", tmp_path / "no" / "report.json"
    )
    (tmp_path / "text").mkdir()
    columns = {name: ["a"] for name in ("coco_caption", "inpaint_caption", "coco_image", "inpaint_image")}
    Dataset.from_dict(columns).to_parquet(tmp_path / "text" / "test.parquet")
    fails("Column 'coco_image' of .* holds Value.*, not images", tmp_path / "text")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "diary.txt").write_text("")
    fails(
        "holds diary.txt, which this command did not write",
        save(tmp_path / "good", [good(1)]),
        "--out",
        tmp_path / "mine",
    )


def test_what_an_autoencoder_does_is_no_change_and_a_second_edit_is_one():
    """Lost detail and noise in every pixel, as in the original; then a small block in another color."""
    pixels = np.array(Image.fromarray(photo(1)).resize((320, 240)))
    pixels[::8] = 40  # hard edges: single pixels differ much, blocks do not
    soft = np.array(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(1.0)), dtype=float)
    noisy = (soft + np.random.default_rng(0).normal(0, 6, soft.shape)).clip(0, 255).astype(np.uint8)
    edit = recolored(noisy)
    found = v.measure_difference(pixels, edit, MASK.astype(np.uint8) * 255)
    assert found.outside > 4 and found.outside_max > 50 and found.outside_share > 0.9 and found.shift < v.MAX_SHIFT
    assert v.difference_faults(found) == [v.ALTERED_OUTSIDE]
    edit[0:40, 280:320] = (200, 40, 40)
    assert v.difference_faults(v.measure_difference(pixels, edit, MASK.astype(np.uint8) * 255)) == [v.CHANGED_OUTSIDE]


def test_masks_of_three_channels_and_gray_edges_follow_the_originals_rule():
    pixels = photo(1)
    edit = recolored(pixels)
    mask = np.zeros((240, 320, 3), np.uint8)
    mask[MASK] = (0, 200, 0)  # the largest channel counts
    mask[:2] = 100  # neither inside nor outside
    edit[:2] = 255
    found = v.measure_difference(pixels, edit, mask)
    assert found.area == pytest.approx(MASK.mean()) and found.outside_max == 0 and found.inside == pytest.approx(60)
    whole = v.measure_difference(pixels, edit, np.full((240, 320), 255, np.uint8))
    assert (whole.outside, whole.outside_share, whole.shift) == (0, 0, 0) and v.difference_faults(whole) == [
        v.LARGE_MASK
    ]


@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "LA", "RGBA"])
def test_a_mask_may_be_of_any_mode(mode, tmp_path):
    buffer = io.BytesIO()
    Image.fromarray(MASK.astype(np.uint8) * 255).convert("RGB").convert(mode).save(buffer, "PNG")
    rows = [{**good(1), "mask": {"bytes": buffer.getvalue(), "path": None}}]
    assert validate_set(save(tmp_path / "set", rows))["details"][0]["reasons"] == []
