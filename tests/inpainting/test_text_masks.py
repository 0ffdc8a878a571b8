import numpy as np
import pytest
from helpers.inpainting_folder import accepted_pairs, disk, make_folder
from helpers.inpainting_models import save_clipseg, save_grounding_dino, save_sam

from hf_hardneg.cli import main
from hf_hardneg.data.coco_photos import Instance, read_coco_photos
from hf_hardneg.inpainting.build import COVERED, Builder, build_pairs
from hf_hardneg.inpainting.edit.classical import ClassicalEditor
from hf_hardneg.inpainting.journal import Journal, load_image, read_journal
from hf_hardneg.inpainting.masks.text_masks import NOT_FOUND, ClipSegMasks, GroundedSamMasks, largest_region, pick_box
from hf_hardneg.inpainting.propose.caption_instances import (
    CATEGORIES,
    instances_from_captions,
    read_photos_from_captions,
)
from hf_hardneg.inpainting.propose.categories import names_of_categories
from hf_hardneg.inpainting.propose.proposals import NO_CLEAR_INSTANCE
from hf_hardneg.inpainting.run_parts import load_run_parts
from hf_hardneg.lexicon.index import load_index


BUS = Instance(1, "bus", None, (0.0,) * 4, 0.0, False)


@pytest.fixture(scope="module")
def captions_only(tmp_path_factory):
    folder = make_folder(tmp_path_factory.mktemp("inpainting") / "coco")
    (folder / "annotations" / "instances_val2017.json").unlink()
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory, processor):
    """Folders of (CLIPSeg, Grounding DINO, SAM)."""
    folder = tmp_path_factory.mktemp("masks")
    return [
        save_clipseg(folder / "clipseg", processor.tokenizer),
        save_grounding_dino(folder / "dino"),
        save_sam(folder / "sam"),
    ]


@pytest.fixture(scope="module")
def clipseg(models):
    return ClipSegMasks(models[0])


@pytest.fixture(scope="module")
def grounded(models):
    return GroundedSamMasks(*models[1:], threshold=0.0)


def photo(size, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)


@pytest.mark.parametrize("size", [(97, 301), (320, 240), (33, 41)])
def test_clipseg_answers_in_pixels_of_the_photo(clipseg, size):
    pixels = photo(size)
    shares = clipseg.probabilities(pixels, "bus")
    assert shares.shape == (size[1], size[0]) and 0 <= shares.min() < shares.max() <= 1
    assert (shares == clipseg.probabilities(pixels, "bus")).all()
    assert (shares != clipseg.probabilities(pixels, "small cup")).any()


def test_clipseg_follows_its_threshold_and_grows_the_one_clear_part(clipseg, monkeypatch):
    planted = np.zeros((100, 120))
    planted[disk()] = 0.7
    planted[5:9, 5:9] = 0.9
    monkeypatch.setattr(clipseg, "probabilities", lambda pixels, noun: planted)
    mask = clipseg(None, photo((120, 100)), 1, BUS)
    assert (mask >= disk()).all() and not mask[5:9, 5:9].any() and 1.1 < mask.sum() / disk().sum() < 1.6
    planted[70:95, 80:115] = 0.5  # as large as the first
    assert clipseg(None, photo((120, 100)), 1, BUS) == NO_CLEAR_INSTANCE
    monkeypatch.setattr(clipseg, "threshold", 0.6)
    assert isinstance(clipseg(None, photo((120, 100)), 1, BUS), np.ndarray)
    monkeypatch.setattr(clipseg, "threshold", 0.95)
    assert clipseg(None, photo((120, 100)), 1, BUS) == NOT_FOUND


def test_the_clearest_part_is_alone_or_clearly_the_largest():
    assert largest_region(np.zeros((5, 5), bool)) == NOT_FOUND
    two = disk(120, 100, (5, 5, 40, 40)) | disk(120, 100, (60, 50, 95, 85))
    assert largest_region(two) == NO_CLEAR_INSTANCE
    assert (largest_region(disk() | (np.arange(120) < 3)) == disk()).all()


@pytest.mark.parametrize("size", [(97, 301), (320, 240), (301, 97)])
def test_boxes_and_masks_are_in_pixels_of_the_photo(grounded, size):
    pixels = photo(size)
    boxes, scores = grounded.find_boxes(pixels, "bus")
    assert boxes.shape == (10, 4) and scores.shape == (10,) and (boxes >= 0).all()
    assert (boxes[:, ::2] <= size[0]).all() and (boxes[:, 1::2] <= size[1]).all() and boxes.max() > 20
    mask = grounded.draw(pixels, boxes[0])
    assert isinstance(mask, str) or (mask.shape == (size[1], size[0]) and mask.dtype == bool)


def test_sam_sees_a_photo_once_and_its_box_each_time(grounded, monkeypatch):
    pixels, seen = photo((80, 60)), []
    look = grounded.segmenter.get_image_embeddings
    monkeypatch.setattr(grounded.segmenter, "get_image_embeddings", lambda values: seen.append(1) or look(values))
    first = grounded.draw(pixels, np.array([5.0, 5.0, 40.0, 40.0]))
    other = grounded.draw(pixels, np.array([40.0, 20.0, 79.0, 59.0]))
    assert len(seen) == 1 and np.any(first != other)
    assert (
        np.all(
            grounded.draw(photo((80, 60), 1), np.array([5.0, 5.0, 40.0, 40.0]))
            == grounded.draw(photo((80, 60), 1), np.array([5.0, 5.0, 40.0, 40.0]))
        )
        and len(seen) == 3
    )  # other arrays, looked at anew


def test_the_box_decides_and_two_of_a_size_are_no_clear_thing(grounded, monkeypatch):
    drawn = []
    monkeypatch.setattr(grounded, "draw", lambda pixels, box: drawn.append(box.tolist()) or disk())
    boxes = np.array([[10.0, 10, 60, 60], [12, 10, 60, 62], [70, 70, 80, 80]])
    monkeypatch.setattr(grounded, "find_boxes", lambda pixels, noun: (boxes, np.array([0.5, 0.6, 0.4])))
    assert (grounded(None, photo((120, 100)), 1, BUS) == disk()).all() and drawn == [[12, 10, 60, 62]]
    boxes[2] = [70, 30, 119, 80]
    assert grounded(None, photo((120, 100)), 1, BUS) == NO_CLEAR_INSTANCE
    monkeypatch.setattr(grounded, "find_boxes", lambda pixels, noun: (boxes[:0], np.zeros(0)))
    assert grounded(None, photo((120, 100)), 1, BUS) == NOT_FOUND
    assert pick_box(np.array([[5.0, 5, 5, 9]]), np.array([0.9])) == NOT_FOUND  # a box without an area


def test_boxes_below_the_threshold_do_not_count(models, grounded, monkeypatch):
    pixels = photo((80, 60))
    scores = grounded.find_boxes(pixels, "bus")[1]
    monkeypatch.setattr(grounded, "threshold", float(np.median(scores)))
    assert len(grounded.find_boxes(pixels, "bus")[1]) == (scores > np.median(scores)).sum() < 10
    with pytest.raises(ValueError, match="mask threshold must be at least 0 and below 1, got 1.5"):
        ClipSegMasks(models[0], threshold=1.5)


def test_captions_stand_in_for_annotations(captions_only):
    photos, skipped = read_photos_from_captions(captions_only)
    assert [[one.category for one in photo.instances] for photo in photos] == [
        ["bus"],
        ["car", "person"],
        ["cup", "dining table"],
        ["dining table", "vase"],
        [],
        [],  # two cars
    ]
    assert not skipped and all(one.segmentation is None for photo in photos for one in photo.instances)
    assert photos[2].instances[1].id == photos[3].instances[0].id and photos[0].instances[0].id > 0
    with pytest.raises(FileNotFoundError, match="has captions_SPLIT.json and instances_SPLIT.json under"):
        read_coco_photos(captions_only)


@pytest.mark.parametrize(
    ("captions", "categories"),
    [
        (["A dog and a cat."], ["cat", "dog"]),
        (["A dog and a cat.", "Some animals: two dogs."], ["cat"]),
        (["A cat looks at another cat.", "A cat."], []),
        (["A mug.", "A cup."], ["cup"]),
        (["A surfer on a board.", "A man."], ["person"]),
        (["A man and a woman."], []),
        (["Nothing at all."], []),
    ],
)
def test_what_a_caption_names_several_of_is_left_out(captions, categories):
    index = load_index()
    found = instances_from_captions(captions, index, names_of_categories(set(CATEGORIES), index.lexicon))
    assert [one.category for one in found] == categories
    assert len({one.id for one in found}) == len(found)


def planted_masks(photo, pixels, orientation, instance):
    """The thing that the test folder draws, wherever it is: what differs from the ground."""
    return np.abs(pixels.astype(int) - (150, 155, 140)).sum(-1) > 120 if instance.category != "dining table" else "no"


def test_with_good_masks_a_captions_only_folder_gives_colors_and_sizes(captions_only, tmp_path):
    summary = build_pairs(captions_only, tmp_path, ClassicalEditor, read=read_photos_from_captions, draw=planted_masks)
    assert summary.accepted["color"] > 5 and summary.accepted["size"] > 0
    assert summary.rejected[COVERED] > 0  # the planted masks of car and man are the same
    for item, made in accepted_pairs(tmp_path):
        photo, image, mask = (load_image(tmp_path, digest) for digest in (item.photo, made.image, made.mask))
        assert (photo[mask == 0] == image[mask == 0]).all()


@pytest.mark.parametrize("masks", ["clipseg", "grounded_sam"])
def test_the_command_builds_from_captions_alone(captions_only, models, tmp_path, masks):
    chosen = models[:1] if masks == "clipseg" else models[1:]
    flags = ["--masks", masks, "--mask_model", *chosen, "--mask_threshold", "0.3"]
    for _ in range(2):  # started again, it does nothing
        main(["inpaint", "build", "--coco", str(captions_only), "--out", str(tmp_path), *flags])
        lines = list(read_journal(tmp_path))
        made_with = {"editor": "classical", "masks": masks, "mask_model": chosen, "mask_threshold": 0.3}
        assert lines[0]["made_with"] == made_with
        assert [line["image_id"] for line in lines if line["kind"] == "done"] == [1, 2, 3, 4, 5, 6]
    decided = {line["key"] for line in lines if line["kind"] == "decision"}
    assert decided and len(decided) == sum(line["kind"] == "decision" for line in lines)
    # The review takes the same parts from the journal's first line.
    photos = {photo.image_id: photo for photo in load_run_parts(made_with).read(captions_only, None)[0]}
    with Journal(tmp_path) as journal:
        builder = Builder(journal, ClassicalEditor(list(photos.values())), load_run_parts(made_with).draw)
        item = builder.items[min(decided)]
        builder.retry(photos[item.proposal.image_id], item.proposal, item.proposal.new, "ann")
        assert item.retries == 1


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--masks", "clipseg", "--mask_model", "nobody/nothing"], "nobody/nothing is neither a folder here nor in"),
        (["--masks", "clipseg", "--mask_model", "SAM"], "is a model of type sam, not a CLIPSeg model"),
        (["--masks", "grounded_sam", "--mask_model", "SAM", "SAM"], "of type sam, not a Grounding DINO model"),
        (["--masks", "grounded_sam", "--mask_model", "DINO", "CLIPSEG"], "of type clipseg, not a SAM model"),
        (["--masks", "grounded_sam", "--mask_model", "DINO"], "takes IDEA-Research/grounding-dino-tiny facebook/sam"),
        (["--masks", "clipseg", "--mask_model", "EMPTY"], "cannot be loaded as a CLIPSeg model"),
        (["--masks", "clipseg", "--mask_model", "BROKEN"], "cannot be loaded as a CLIPSeg model"),
        (["--mask_threshold", "0.3"], "are for --masks clipseg or grounded_sam"),
    ],
)
def test_a_wrong_model_or_flag_is_one_sentence(captions_only, models, processor, tmp_path, flags, message):
    (tmp_path / "empty").mkdir()
    broken = save_clipseg(tmp_path / "broken", processor.tokenizer)
    (tmp_path / "broken" / "model.safetensors").write_bytes(b"half a file")
    names = {"CLIPSEG": models[0], "DINO": models[1], "SAM": models[2], "EMPTY": str(tmp_path / "empty")}
    flags = [{**names, "BROKEN": broken}.get(flag, flag) for flag in flags]
    with pytest.raises(SystemExit, match=f"error: .*{message}") as stopped:
        main(["inpaint", "build", "--coco", str(captions_only), "--out", str(tmp_path / "out"), *flags])
    assert "\n" not in str(stopped.value)
