import numpy as np
import pytest
from helpers.inpainting_folder import PHOTOS, change, make_folder
from PIL import Image

from hf_hardneg.data.coco_photos import load_photo, read_coco_photos
from hf_hardneg.data.skip_reasons import MISSING, UNREADABLE
from hf_hardneg.inpainting.masks.coco_masks import BROKEN, EMPTY, WRONG_SIZE, draw_mask, turn_mask


def test_polygons_and_run_lengths_give_the_same_mask():
    mask = draw_mask([[1, 1, 3, 1, 3, 4, 1, 4]], (6, 5))
    assert mask.shape == (5, 6) and mask[1:5, 1:4].all() and mask.sum() == 12
    runs = {"size": [5, 6], "counts": [6, 4, 1, 4, 1, 4, 10]}
    assert (draw_mask(runs, (6, 5)) == mask).all()
    # pycocotools.mask.encode writes these runs as the string below: base 32, each the difference to that two before.
    assert (draw_mask({"size": [5, 6], "counts": "6410009"}, (6, 5)) == mask).all()


@pytest.mark.parametrize(
    ("segmentation", "reason"),
    [
        ({"size": [6, 5], "counts": [30]}, WRONG_SIZE),
        ({"size": [5, 6], "counts": [31]}, BROKEN),
        ({"size": [5, 6]}, BROKEN),
        ([["a", "b"]], BROKEN),
        ([[1, 2]], BROKEN),
        ([[100, 100, 110, 100, 110, 110]], EMPTY),
    ],
)
def test_masks_that_cannot_be_used_say_why(segmentation, reason):
    assert draw_mask(segmentation, (6, 5)) == reason


@pytest.mark.parametrize("orientation", range(1, 9))
def test_masks_turn_as_the_photo_does(tmp_path, orientation):
    stored = np.zeros((40, 60, 3), np.uint8)
    stored[5:15, 10:40] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(stored).save(tmp_path / "photo.png", exif=exif)
    pixels, found = load_photo(tmp_path / "photo.png")
    assert found == orientation
    upright = (pixels.shape[1], pixels.shape[0])
    mask = pixels[..., 0] > 127
    assert (turn_mask(mask, upright, upright, orientation) == mask).all()
    if orientation >= 5:  # the tool that annotated looked at the stored pixels
        assert (turn_mask(stored[..., 0] > 127, (60, 40), upright, orientation) == mask).all()
    assert turn_mask(mask, (61, 40), upright, orientation) == WRONG_SIZE


@pytest.mark.parametrize("mode", ["L", "CMYK", "P", "RGBA", "LA", "1"])
def test_photos_of_any_mode_become_rgb(tmp_path, mode):
    file = tmp_path / ("photo.tif" if mode == "CMYK" else "photo.png")
    Image.new("RGB", (30, 20), (200, 200, 200)).convert(mode).save(file)
    pixels, _ = load_photo(file)
    assert pixels.shape == (20, 30, 3) and pixels.dtype == np.uint8


def test_photos_that_cannot_be_opened_say_why(tmp_path):
    assert load_photo(tmp_path / "no.jpg") == MISSING
    Image.effect_noise((300, 300), 80).save(tmp_path / "cut.jpg")
    content = (tmp_path / "cut.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(content[: len(content) // 2])
    assert load_photo(tmp_path / "cut.jpg") == UNREADABLE


def test_a_folder_is_read_by_image_id(tmp_path):
    photos, skipped = read_coco_photos(make_folder(tmp_path / "coco"))
    assert [photo.image_id for photo in photos] == list(range(1, len(PHOTOS) + 1)) and not skipped
    assert photos[0].captions[0] == (1, "A red bus on a road.") and photos[0].instances[0].category == "bus"


def test_folders_that_cannot_be_read_say_what_to_do(tmp_path):
    folder = make_folder(tmp_path / "coco")
    with pytest.raises(FileNotFoundError, match=r"val2017.*--split.*got train2017"):
        read_coco_photos(folder, "train2017")
    change(folder, "instances", lambda data: data["annotations"][0].update(category_id=5))
    with pytest.raises(ValueError, match="category 5, which it does not list"):
        read_coco_photos(folder)
    change(folder, "instances", lambda data: data["annotations"].clear())
    with pytest.raises(ValueError, match="both a caption and an instance"):
        read_coco_photos(folder)
    change(folder, "captions", lambda data: data.pop("images"))
    with pytest.raises(ValueError, match="lacks 'images'; it has annotations"):
        read_coco_photos(folder)
    (folder / "annotations" / "captions_val2017.json").write_text('{"images": [')
    with pytest.raises(ValueError, match="not valid JSON"):
        read_coco_photos(folder)


def test_captions_of_photos_that_are_not_listed_are_counted(tmp_path):
    folder = make_folder(tmp_path / "coco")
    extra = {"id": 99, "image_id": 12345, "caption": "A red bus."}
    change(folder, "captions", lambda data: data["annotations"].append(extra))
    assert read_coco_photos(folder)[1] == {"the annotation has no image": 1}
