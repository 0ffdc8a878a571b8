import subprocess

import cv2
import numpy as np
import pytest
from helpers.inpainting_folder import BLUE, GREEN, RED, add_thing, disk, ground, make_folder, oval
from helpers.quick_python import quick_python
from PIL import Image, ImageDraw

from hf_hardneg.data.coco_photos import read_coco_photos
from hf_hardneg.inpainting.edit.classical import GRAY_PHOTO, ClassicalEditor
from hf_hardneg.inpainting.edit.cutouts import cut_out, place_cutout, resize_cutout
from hf_hardneg.inpainting.edit.patch_fill import CANNOT_FILL, fill_hole
from hf_hardneg.inpainting.edit.recolor import GARMENT, NOT_THAT_COLOR, TARGETS, color_weights, find_colored, recolor
from hf_hardneg.inpainting.edit.replace import CutoutLibrary
from hf_hardneg.inpainting.edit.rescale import CUT_OFF, NO_ROOM, TOUCHED
from hf_hardneg.inpainting.edit.task import EditTask
from hf_hardneg.inpainting.masks.regions import bounding_box, ground_point, largest_components
from hf_hardneg.inpainting.propose.proposals import ProposeSwaps
from hf_hardneg.lexicon.index import load_index


def thing_photo(color=RED, box=(110, 90, 200, 150)):
    image = ground(3)
    add_thing(ImageDraw.Draw(image), oval(*box), color)
    mask = Image.new("1", image.size)
    ImageDraw.Draw(mask).polygon(oval(*box), fill=1)
    return np.array(image), np.array(mask)


@pytest.fixture
def photos(tmp_path):
    return read_coco_photos(make_folder(tmp_path / "coco"))[0]


def task(photos, image_id, concept, new, pixels=None, mask=None, others=None, people=None):
    photo = photos[image_id - 1]
    categories = {one.category for one in photos for one in one.instances}
    proposal = next(
        one for one in ProposeSwaps(load_index(), categories)(photo)[0] if (one.concept, one.new) == (concept, new)
    )
    made = thing_photo()
    pixels, mask = (made[0] if pixels is None else pixels), (made[1] if mask is None else mask)
    nothing = np.zeros(mask.shape, bool)
    return EditTask(
        pixels, mask, nothing if others is None else others, nothing if people is None else people, proposal, 1
    )


@pytest.mark.parametrize("target", TARGETS)
def test_a_recolored_thing_has_the_color_and_keeps_its_shading(target):
    photo, mask = thing_photo()
    weights = find_colored(photo, mask, "red")
    if target == "red":
        weights = find_colored(*thing_photo(BLUE), "blue")
        photo, _ = thing_photo(BLUE)
    edited = recolor(photo, weights, target)
    inner = mask & (weights > 0.9)
    assert (color_weights(edited, target)[inner] > 0.5).mean() > 0.6
    before, after = (cv2.cvtColor(image, cv2.COLOR_RGB2LAB)[..., 0][inner].astype(float) for image in (photo, edited))
    assert np.corrcoef(before, after)[0, 1] > 0.75
    assert np.abs(edited[weights == 0].astype(int) - photo[weights == 0]).max() <= 1  # rounding; paste-back undoes it


def test_a_thing_that_is_not_of_the_color_is_left_alone():
    assert find_colored(*thing_photo(RED), "blue") == NOT_THAT_COLOR
    assert find_colored(*thing_photo(RED), "chartreuse") == NOT_THAT_COLOR
    photo, mask = thing_photo(RED)
    everything = np.ones_like(mask)
    assert find_colored(photo, everything, "red") == NOT_THAT_COLOR  # a small part only
    weights = find_colored(photo, everything, "red", GARMENT)
    assert (weights > 0.5)[mask].mean() > 0.9 and (weights > 0.5)[~mask].mean() < 0.01


def test_a_filled_hole_looks_like_its_surroundings():
    rng = np.random.default_rng(0)
    stripes = np.zeros((100, 120, 3), np.uint8)
    stripes[..., 1] = np.where(np.arange(120) // 6 % 2, 200, 60)
    hole = disk()
    broken = stripes.copy()
    broken[hole] = 255
    filled = fill_hole(broken, hole, np.ones_like(hole), rng)
    assert (filled[~hole] == broken[~hole]).all()
    assert np.abs(filled[hole].astype(int) - stripes[hole]).mean() < 15
    again = fill_hole(broken, hole, np.ones_like(hole), np.random.default_rng(0))
    assert (again == filled).all()


def test_holes_at_the_edge_are_filled_and_those_without_surroundings_are_not():
    photo = np.array(ground(1))
    hole = np.zeros(photo.shape[:2], bool)
    hole[:30, :30] = True
    photo[hole] = (255, 0, 0)
    filled = fill_hole(photo, hole, np.ones_like(hole), np.random.default_rng(0))
    assert np.abs(filled[hole].astype(int) - (150, 155, 140)).mean() < 12
    assert fill_hole(photo, ~hole, hole, np.random.default_rng(0)) == CANNOT_FILL
    assert fill_hole(photo, hole, np.zeros_like(hole), np.random.default_rng(0)) == CANNOT_FILL


def test_cut_outs_have_the_things_colors_to_their_edge():
    photo, mask = thing_photo()
    thing = cut_out(photo, mask)
    assert (thing.pixels[thing.alpha > 0.2][:, 0] > thing.pixels[thing.alpha > 0.2][:, 1] + 60).mean() > 0.97
    half = resize_cutout(thing, 0.5, 0.5)
    pixels, alpha = place_cutout(half, (150.0, 155.0), photo.shape)
    top, _, bottom, _ = bounding_box(alpha > 0.5)
    assert abs(bottom - 150) <= 2 and abs(bottom - top - 30) <= 4 and pixels.shape == photo.shape
    assert abs(ground_point(alpha > 0.5)[1] - 155) < 4
    two = disk() | disk(box=(0, 0, 4, 4))
    assert (largest_components(two) == disk()).all()


@pytest.mark.parametrize(("image_id", "new", "grows"), [(1, "large", True), (1, "huge", True), (2, "small", False)])
def test_rescaling_keeps_the_foot(photos, image_id, new, grows):
    color = RED if image_id == 1 else BLUE
    photo, mask = thing_photo(color)
    (edit,) = ClassicalEditor(photos)(task(photos, image_id, "size", new, photo, mask))
    channel = 0 if image_id == 1 else 2
    thing = edit.pixels[..., channel].astype(int) > edit.pixels[..., 1].astype(int) + 40
    top, left, bottom, right = bounding_box(thing)
    factor = edit.details["factor"]
    assert (factor > 1.3) == grows and abs(bottom - 150) <= 3
    assert abs((right - left) / 90 - factor) < 0.08 and abs((bottom - top) / 60 - factor) < 0.08
    assert (edit.pixels[~edit.changed] == photo[~edit.changed]).all()


def test_rescaling_says_why_not(photos):
    editor = ClassicalEditor(photos)
    at_edge = thing_photo(RED, (-10, 90, 80, 150))
    assert editor(task(photos, 1, "size", "large", *at_edge)) == CUT_OFF
    assert editor(task(photos, 2, "size", "small", *at_edge)) == CUT_OFF
    high = thing_photo(RED, (20, 10, 300, 200))
    assert editor(task(photos, 1, "size", "large", *high)) == NO_ROOM
    photo, mask = thing_photo()
    around = ~cv2.erode((~mask).astype(np.uint8), np.ones((3, 3))).astype(bool)
    assert editor(task(photos, 1, "size", "large", photo, mask, others=~around)) == TOUCHED


def test_an_object_is_replaced_by_another_photos(photos):
    photo, mask = thing_photo(GREEN, (120, 80, 190, 160))
    (edit,) = ClassicalEditor(photos)(task(photos, 3, "object", "vase", photo, mask))
    assert (edit.details["source_image_id"], edit.details["source_instance_id"]) == (4, 4)
    yellow = (edit.pixels[..., 0] > 120) & (edit.pixels[..., 2] < 110)
    green = edit.pixels[..., 1].astype(int) > edit.pixels[..., 0].astype(int) + 40
    assert yellow.sum() > 0.5 * mask.sum() and green.sum() < 0.02 * mask.sum()
    assert (edit.pixels[~edit.changed] == photo[~edit.changed]).all()
    held = ~cv2.erode((~mask).astype(np.uint8), np.ones((3, 3))).astype(bool)
    held[:, 150:] = False
    kept = task(photos, 3, "object", "vase", photo, mask, others=held, people=~mask & held)
    assert ClassicalEditor(photos)(kept._replace(people=~mask, others=~mask)) == TOUCHED


def test_cut_outs_never_come_from_the_photo_itself_and_may_be_unusable(photos):
    library = CutoutLibrary(photos)
    mask = thing_photo(GREEN, (120, 80, 190, 160))[1]
    assert library.find("cup", mask, image_id=3) == [] and library.find("cup", mask, image_id=4)
    photos[2].file.unlink()
    assert library.cut(3, 3) is None


def test_gray_photos_get_no_color(photos):
    gray = np.repeat(thing_photo()[0][..., :1], 3, axis=2)
    assert ClassicalEditor(photos)(task(photos, 1, "color", "blue", gray)) == GRAY_PHOTO


def test_without_opencv_the_error_names_the_extra():
    code = (
        "import sys; sys.modules['cv2'] = None\n"
        "import hf_hardneg.inpainting.build\nimport hf_hardneg.inpainting.edit.classical"
    )
    done = subprocess.run([quick_python(), "-c", code], capture_output=True, text=True)
    assert "pip install 'hf-hardneg[inpaint]'" in done.stderr.splitlines()[-1]
