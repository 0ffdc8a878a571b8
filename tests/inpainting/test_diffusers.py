import random
import sys

import numpy as np
import pytest
import torch
from helpers.inpainting_folder import PHOTOS, RED, accepted_pairs, disk, make_folder
from helpers.inpainting_models import SIZE, save_pipeline
from PIL import Image

from hf_hardneg.cli import main
from hf_hardneg.data.coco_photos import read_coco_photos
from hf_hardneg.inpainting.build import Builder, build_pairs
from hf_hardneg.inpainting.edit import diffusers_editor
from hf_hardneg.inpainting.edit.classical import GRAY_PHOTO
from hf_hardneg.inpainting.edit.crop import Crop, crop_around, put_back, take_crop
from hf_hardneg.inpainting.edit.diffusers_editor import BLACK, UNSAFE, DiffusersEditor, find_region, native_size
from hf_hardneg.inpainting.edit.prompts import FLAWS, background_prompts, custom_prompt, object_prompts
from hf_hardneg.inpainting.edit.recolor import NOT_THAT_COLOR
from hf_hardneg.inpainting.edit.rescale import BUSY, CUT_OFF, rescale_object
from hf_hardneg.inpainting.edit.task import EditTask
from hf_hardneg.inpainting.journal import JOURNAL, Journal, load_image, read_journal
from hf_hardneg.inpainting.journal_items import read_items
from hf_hardneg.inpainting.propose.proposals import Proposal
from hf_hardneg.inpainting.run_parts import load_run_parts


@pytest.fixture(scope="module")
def coco(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("inpainting") / "coco", PHOTOS[:4])


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory, processor):
    return save_pipeline(tmp_path_factory.mktemp("pipeline"), processor.tokenizer)


@pytest.fixture(scope="module")
def made_with(pipeline):
    return {"editor": "diffusers", "editor_model": pipeline, "candidates": 2, "steps": 2}


@pytest.fixture(scope="module")
def built(coco, pipeline, tmp_path_factory):
    out = tmp_path_factory.mktemp("built")
    flags = ["--editor", "diffusers", "--editor_model", pipeline, "--candidates", "2", "--steps", "2"]
    main(["inpaint", "build", "--coco", str(coco), "--out", str(out), *flags])
    return out


@pytest.fixture(scope="module")
def editor(pipeline):
    return DiffusersEditor(pipeline, candidates=2, steps=2)


def proposal(concept="color", old="red", new="blue", **others):
    values = {name: "" for name in Proposal._fields} | {"garment": None, "image_id": 1, "instance_id": 1}
    caption = {"caption": "A red bus on a road.", "new_caption": "A blue bus on a road."}
    values |= {"concept": concept, "old": old, "new": new, "category": "bus", "new_category": "bus", **caption}
    return Proposal(**values | others)


def task(concept="color", old="red", new="blue", size=(120, 100), prompt=None, seed=5, **others):
    photo = np.random.default_rng(0).integers(90, 160, (size[1], size[0], 3), dtype=np.uint8)
    mask = disk(*size)
    photo[mask] = RED
    none = np.zeros(mask.shape, bool)
    return EditTask(photo, mask, none, none, proposal(concept, old, new, **others), seed, prompt)


def content(folder):
    return {file.name: file.read_bytes() for file in [folder / JOURNAL, *sorted((folder / "images").iterdir())]}


def test_the_command_makes_pairs_with_every_setting_in_the_journal(built, pipeline):
    run = next(read_journal(built))
    assert run["made_with"] == {"editor": "diffusers", "editor_model": pipeline, "candidates": 2, "steps": 2}
    pairs = accepted_pairs(built)
    assert {item.proposal.concept for item, _ in pairs} == {"color", "object", "size"} and len(pairs) > 15
    for item, made in pairs:
        photo, image, mask = (load_image(built, digest) for digest in (item.photo, made.image, made.mask))
        assert (photo[mask == 0] == image[mask == 0]).all() and (photo != image).any()
        if item.proposal.concept != "size":
            assert len(item.candidates) == 2 and item.candidates[0].image != item.candidates[1].image
            details = made.details
            assert details["model"] == pipeline and details["revision"] is None
            assert (details["num_inference_steps"], details["guidance_scale"], details["strength"]) == (2, 7.5, 1.0)
            assert details["size"] == SIZE and len(details["crop"]) == 3 and details["dtype"] == "float32"
            assert item.proposal.new in details["prompt"] and item.proposal.new_caption in details["prompt"]
            assert [one.details["seed"] for one in item.candidates] == [details["seed"], (details["seed"] + 1) % 2**32]
    assert (built / "contact_sheet.png").exists()


def test_cut_anywhere_it_goes_on_to_the_same_bytes(coco, built, made_with, tmp_path):
    whole = (built / JOURNAL).read_bytes()
    for cut in random.Random(0).sample(range(len(whole)), 2):
        out = tmp_path / str(cut)
        (out / "images").mkdir(parents=True)
        (out / JOURNAL).write_bytes(whole[:cut])
        for file in (built / "images").iterdir():  # images are there before the lines that name them
            (out / "images" / file.name).write_bytes(file.read_bytes())
        build_pairs(coco, out, load_run_parts(made_with).make_editor, made_with=made_with)
        assert content(out) == content(built)


def test_a_person_asks_again_in_free_words(coco, built, made_with, tmp_path):
    photos = {photo.image_id: photo for photo in read_coco_photos(coco)[0]}
    build_pairs(
        coco,
        tmp_path,
        load_run_parts(made_with).make_editor,
        made_with=made_with,
        wanted={"color": 1, "object": 1, "size": 1},
    )
    with Journal(tmp_path) as journal:
        builder = Builder(journal, load_run_parts(made_with).make_editor(list(photos.values())))
        key, item = next((k, i) for k, i in builder.items.items() if k.startswith("1/1/color") and i.is_accepted)
        before = len(item.candidates)
        assert builder.retry(photos[1], item.proposal, "a bus made of glass", "ann") is None
        assert builder.retry(photos[1], item.proposal, item.proposal.new, "ann") is None
    made = read_items(read_journal(tmp_path))[key].candidates[before:]
    assert [one.details["prompt"] for one in made[:2]] == ["a bus made of glass"] * 2
    assert made[2].details["prompt"].startswith(f"a photo of a{'n' * (item.proposal.new[0] in 'aeiou')} ")
    assert len({one.details["seed"] for one in made}) == 4


@pytest.mark.parametrize("size", [(120, 100), (97, 301), (333, 71), (64, 64)])
def test_any_size_the_same_seed_the_same_bytes_and_nothing_outside_the_crop(editor, size):
    # A thin or small photo does not hold the square: it is mirrored beyond its frame.
    first, again = editor(task(size=size)), editor(task(size=size))
    assert [edit.pixels.tobytes() for edit in first] == [edit.pixels.tobytes() for edit in again]
    assert first[0].details == again[0].details and len(first) == 2
    other = editor(task(size=size, seed=99))
    assert other[0].pixels.tobytes() != first[0].pixels.tobytes()
    for edit in first:
        assert edit.pixels.shape == (size[1], size[0], 3) and edit.pixels.dtype == np.uint8
        assert edit.changed.shape == (size[1], size[0]) and edit.changed.any()
    # The second candidate is the same, whether there is a first or not.
    assert editor(task(size=size, seed=6))[0].pixels.tobytes() == first[1].pixels.tobytes()


def test_steps_guidance_and_strength_reach_the_pipeline(pipeline, editor):
    plain = editor(task())[0].pixels
    for settings in ({"steps": 3}, {"steps": 2, "guidance": 1.0}, {"steps": 2, "strength": 0.5}):
        edits = DiffusersEditor(pipeline, candidates=1, **settings)(task())
        assert len(edits) == 1 and (edits[0].pixels != plain).any()
    assert DiffusersEditor(pipeline).settings["num_inference_steps"] == 50  # the pipeline's own


def test_a_text_to_image_model_inpaints_too(tmp_path, processor):
    plain = DiffusersEditor(save_pipeline(tmp_path, processor.tokenizer, inpaints=False), candidates=1, steps=2)
    (edit,) = plain(task())
    assert (edit.pixels[edit.changed] != task().photo[edit.changed]).any()


class PlantedPipeline:
    components: dict = {}

    def to(self, device):
        return self

    def __call__(self, prompt, image, mask_image, control_image=None, generator=None):
        raise AssertionError("it must not come to that")


def test_a_pipeline_with_other_inputs_is_refused(monkeypatch):
    monkeypatch.setattr(
        diffusers_editor.AutoPipelineForInpainting, "from_pretrained", lambda *_, **__: PlantedPipeline()
    )
    with pytest.raises(ValueError, match="some/controlnet is a PlantedPipeline, which also needs control_image; take"):
        DiffusersEditor("some/controlnet")


def test_the_native_size_is_what_the_pipeline_says():
    class Latent(PlantedPipeline):
        vae_scale_factor, default_sample_size = 8, 128

        def __call__(self, prompt, height=None):
            raise AssertionError

    class Fixed(PlantedPipeline):
        def __call__(self, prompt, height=512):
            raise AssertionError

    assert native_size(Latent()) == 1024 and native_size(Fixed()) == 512
    with pytest.raises(ValueError, match="PlantedPipeline does not say for which size it was made"):
        native_size(PlantedPipeline())


def test_a_new_thing_gets_room_a_color_does_not_and_neither_covers_another_thing():
    one = task()
    assert (find_region(one) == one.mask).all()
    larger = find_region(task("object", "bus", "car"))
    assert (larger >= one.mask).all() and larger.sum() > 1.2 * one.mask.sum()
    others = np.zeros(one.mask.shape, bool)
    others[:, 82:] = True
    assert not (find_region(task("object", "bus", "car")._replace(others=others)) & others).any()


def test_a_garment_is_looked_for_by_its_color():
    one = task(garment="jacket", category="person")
    photo = one.photo.copy()
    photo[50:, :][one.mask[50:, :]] = (40, 60, 200)  # the lower half of the person is blue
    region = find_region(one._replace(photo=photo))
    assert region[40, 60] and not region[62, 60]
    green = one._replace(photo=photo, proposal=one.proposal._replace(old="green"))
    assert find_region(green) == NOT_THAT_COLOR


def test_a_smaller_thing_keeps_its_look_and_the_pipeline_paints_what_it_uncovers(editor):
    one = task("size", "large", "small", size=(200, 160))
    noise = np.random.default_rng(1).integers(0, 255, one.photo.shape, dtype=np.uint8)
    one = one._replace(photo=np.where(one.mask[..., None], one.photo, noise))
    assert rescale_object(one) == BUSY  # noise all around: patches would show
    edits = editor(one)
    assert len(edits) == 2 and edits[0].details["factor"] == 0.5
    assert edits[0].details["prompt"] == "an empty scene, only the background"
    foot = (68, 60)
    assert all((edit.pixels[foot] == RED).all() and (edit.pixels[45, 60] != RED).any() for edit in edits)
    assert (edits[0].changed >= one.mask).all()
    asked = editor(one._replace(prompt="a lawn"))
    assert asked[0].details["prompt"] == "a lawn"
    larger = editor(task("size", "small", "large", size=(200, 160)))
    assert len(larger) == 1 and set(larger[0].details) == {"factor"}
    assert editor(one._replace(mask=disk(200, 160, (0, 0, 60, 60)))) == CUT_OFF


def test_what_the_safety_checker_blacks_out_is_dropped(tmp_path, processor, editor, monkeypatch):
    strict = DiffusersEditor(save_pipeline(tmp_path, processor.tokenizer, blacks_out=True), candidates=2, steps=1)
    assert strict(task()) == UNSAFE
    run = editor._run
    monkeypatch.setattr(editor, "_run", lambda inputs, seed: UNSAFE if seed % 2 else run(inputs, seed))
    (left,) = editor(task(seed=5))
    assert left.details["seed"] == 6 and left.details["dropped"] == [UNSAFE]
    monkeypatch.undo()
    monkeypatch.setattr(type(editor.pipe.vae), "decode", lambda self, z, **_: (torch.full((1, 3, SIZE, SIZE), -1.0),))
    assert editor(task()) == BLACK


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("can't allocate memory")]
)
def test_out_of_memory_is_one_sentence(editor, monkeypatch, error):
    def full(*_, **__):
        raise error

    monkeypatch.setattr(type(editor.pipe.unet), "forward", full)
    with pytest.raises(ValueError, match="not enough memory for .*take a smaller model.*goes on where it stopped"):
        editor(task())
    monkeypatch.setattr(type(editor.pipe.unet), "forward", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        editor(task())


def test_prompts_name_the_thing_first_and_take_a_persons_words_as_they_are():
    one = proposal()
    assert object_prompts(one) == ("a photo of a blue bus. A blue bus on a road.", f"red, {FLAWS}")
    orange = proposal(new="orange", garment="pants", category="person", new_caption="A man in orange pants.")
    assert object_prompts(orange).prompt == "a photo of orange pants. A man in orange pants."
    swap = proposal("object", "bus", "airplane", new_caption="An airplane on a road.")
    assert object_prompts(swap) == ("a photo of an airplane. An airplane on a road.", f"bus, {FLAWS}")
    assert object_prompts(one, "a bus of glass").prompt == background_prompts(one, "a bus of glass").prompt
    assert background_prompts(one).negative == f"bus, {FLAWS}"
    assert custom_prompt(task(prompt=" Blue ")) is None and custom_prompt(task(prompt="dark blue")) == "dark blue"


def test_the_crop_is_a_square_with_context_inside_the_frame():
    mask = np.zeros((400, 600), bool)
    mask[380:400, 500:600] = True
    assert crop_around(mask) == Crop(250, 450, 150)
    mask[:, :] = True
    crop = crop_around(mask)
    assert crop == Crop(-100, 0, 600)
    photo = np.random.default_rng(0).integers(0, 255, (400, 600, 3), dtype=np.uint8)
    square = take_crop(photo, crop)
    assert square.shape == (600, 600, 3) and (square[99] == photo[1]).all() and (square[100] == photo[0]).all()
    assert not take_crop(mask, crop)[:100].any()
    assert (put_back(photo, square, crop) == photo).all()
    assert (put_back(photo, np.zeros_like(square), Crop(250, 450, 150))[:250] == photo[:250]).all()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nobody/nothing", "nobody/nothing is neither a folder here nor in the cache.*HF_HUB_OFFLINE.*hf download"),
        ("no such id!", "no such id! is neither a folder nor a Hub id.*sd2-community/stable-diffusion-2-inpainting"),
        ("EMPTY", "cannot be loaded as an inpainting pipeline"),
        ("CLIP", "model_index.json"),
    ],
)
def test_a_model_that_cannot_be_loaded_is_one_sentence(coco, tmp_path, start, name, message):
    (tmp_path / "empty").mkdir()
    model = {"EMPTY": str(tmp_path / "empty"), "CLIP": start}.get(name, name)
    flags = ["--editor", "diffusers", "--editor_model", model]
    with pytest.raises(SystemExit, match=f"error: .*{message}") as stopped:
        main(["inpaint", "build", "--coco", str(coco), "--out", str(tmp_path / "out"), *flags])
    assert "\n" not in str(stopped.value) and not (tmp_path / "out").exists()


def test_arguments_that_make_no_sense_are_errors(pipeline, coco, tmp_path):
    with pytest.raises(ValueError, match="candidates must be 1 or more, got 0"):
        DiffusersEditor(pipeline, candidates=0)
    with pytest.raises(ValueError, match="steps must be 1 or more"):
        DiffusersEditor(pipeline, steps=0)
    with pytest.raises(ValueError, match="strength must be above 0"):
        DiffusersEditor(pipeline, strength=1.5)
    with pytest.raises(SystemExit, match="--steps is for --editor diffusers"):
        main(["inpaint", "build", "--coco", str(coco), "--out", str(tmp_path / "out"), "--steps", "3"])


def test_without_diffusers_the_install_command_is_said(coco, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "diffusers", None)
    monkeypatch.delitem(sys.modules, diffusers_editor.__name__)
    monkeypatch.delattr("hf_hardneg.inpainting.edit.diffusers_editor")
    monkeypatch.delattr("hf_hardneg.inpainting.edit.DiffusersEditor", raising=False)  # lazy_loader keeps it
    with pytest.raises(SystemExit, match=r"error: .*pip install 'hf-hardneg\[diffusers\]'"):
        main(["inpaint", "build", "--coco", str(coco), "--out", str(tmp_path / "out"), "--editor", "diffusers"])


def test_photos_turned_by_exif_are_edited_upright_and_gray_ones_get_no_color(made_with, tmp_path):
    coco = make_folder(tmp_path / "coco")
    turned, gray = sorted((coco / "val2017").iterdir())[:2]
    exif = Image.Exif()
    exif[0x0112] = 6  # stored turned to the left: turning it right makes it upright
    Image.open(turned).transpose(Image.Transpose.ROTATE_90).save(turned, exif=exif)
    Image.open(gray).convert("L").save(gray)
    out = tmp_path / "out"
    summary = build_pairs(
        coco, out, load_run_parts(made_with).make_editor, wanted={"object": 1, "color": 1, "size": 1}
    )
    assert summary.rejected[GRAY_PHOTO] > 0
    first = [made for item, made in accepted_pairs(out) if item.proposal.image_id == 1]
    assert first and all(load_image(out, made.image).shape == (240, 320, 3) for made in first)
