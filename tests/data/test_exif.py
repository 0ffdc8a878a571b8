"""A photo that lies on its side in its file stands upright in every room."""

import ast
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from helpers.photos import photo
from PIL import ExifTags, Image

import hf_hardneg
from hf_hardneg.data.captioned_images import load_captioned_images
from hf_hardneg.data.coco_photos import load_photo
from hf_hardneg.data.lazy_images import ImageFile, row_images
from hf_hardneg.data.photos import open_photo, upright_rgb
from hf_hardneg.evaluation.retrieval import rows_task
from hf_hardneg.model.encoding import Encoder, encode_images
from hf_hardneg.model.image_cache import add_image_embeddings
from hf_hardneg.report.thumbnails import make_thumbnail
from hf_hardneg.training.collator import HardNegCollator


TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    6: Image.Transpose.ROTATE_90,  # a camera's portrait: the stored photo is to be turned by 270 degrees
    8: Image.Transpose.ROTATE_270,
}


def turned(orientation, kind="PNG"):
    """A file that holds `photo(0)` turned, and says so; PNG and lossless WebP keep every pixel."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    buffer = BytesIO()
    settings = {"lossless": True} if kind == "WEBP" else {"quality": 95} if kind == "JPEG" else {}
    photo(0).transpose(TURNS[orientation]).save(buffer, kind, exif=exif, **settings)
    return buffer.getvalue()


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_every_orientation_is_turned_upright_once(orientation, kind):
    image = open_photo(BytesIO(turned(orientation, kind)))
    assert image.tobytes() == photo(0).tobytes()
    assert upright_rgb(image).tobytes() == photo(0).tobytes()


@pytest.fixture
def files(tmp_path):
    """The turned JPEG, and another photo, as a folder of Parquet with embedded photos."""
    (tmp_path / "0.jpg").write_bytes(turned(6, "JPEG"))
    photo(1).save(tmp_path / "1.jpg")
    (tmp_path / "p").mkdir()
    contents = [(tmp_path / f"{i}.jpg").read_bytes() for i in range(2)]
    pq.write_table(pa.table({"image": contents, "caption": ["a dog", "a cat"]}), tmp_path / "p" / "a.parquet")
    return tmp_path


def test_all_rooms_see_the_same_pixels(files, model, processor):
    """Training saw the upright photo, retrieval and files of benchmarks the stored one."""
    rows, _ = load_captioned_images(str(files / "p"), "train")
    upright = open_photo(files / "0.jpg")
    assert upright.size == photo(0).size != Image.open(files / "0.jpg").size
    expected = processor.image_processor([upright], return_tensors="pt")["pixel_values"]
    trained = HardNegCollator(processor, 0)([rows[0]])["pixel_values"]
    stored = [{**rows[0], "image": Image.open(files / "0.jpg")}]  # as a data set gives it that does not turn photos
    assert torch.equal(trained, expected) and torch.equal(
        HardNegCollator(processor, 0)(stored)["pixel_values"], expected
    )

    seen = [
        row_images(rows, "image")[0],
        ImageFile(files / "0.jpg"),
        next(iter(rows_task("held-out", rows).all_images())),
    ]
    for image in seen:
        assert image.read().tobytes() == upright.tobytes()
    pixels, orientation = load_photo(files / "0.jpg")
    assert orientation == 6 and pixels.tobytes() == upright.tobytes()
    assert make_thumbnail(Image.open(files / "0.jpg")) == make_thumbnail(upright)

    embedding = encode_images(model, processor, [upright]).numpy()
    np.testing.assert_allclose(
        encode_images(model, processor, [Image.open(files / "0.jpg")]).numpy(), embedding, atol=1e-6
    )
    np.testing.assert_allclose(Encoder(model, processor).images([seen[1]]), embedding, atol=1e-6)
    cached = add_image_embeddings(rows, model, processor)
    np.testing.assert_allclose(np.array(cached["image_embeds"][0]), embedding[0], atol=1e-6)


def test_a_crop_is_cut_from_the_stored_photo_as_its_authors_do(files):
    """The boxes of a benchmark are pixels of the stored photo; the cut is turned upright after it."""
    box = (0, 8, 24, 32)
    stored = Image.open(files / "0.jpg").convert("RGB").crop(box)
    cut = ImageFile(files / "0.jpg", box).read()
    assert cut.tobytes() == stored.transpose(Image.Transpose.ROTATE_270).tobytes()


OWN_FILES = {
    "data/photos.py",
    "inpainting/journal.py",
    "inpainting/publish/export.py",
    "inpainting/edit/diffusers_editor.py",
}


def test_photos_are_opened_in_one_place():
    """`Image.open` and `convert("RGB")` elsewhere miss the orientation; the other files read PNGs of their own."""
    package = Path(hf_hardneg.__file__).parent
    found = set()
    for file in package.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            opens = node.func.attr == "open" and ast.unparse(node.func.value).endswith("Image")
            to_rgb = node.func.attr == "convert" and [ast.unparse(one) for one in node.args] == ["'RGB'"]
            if opens or to_rgb:
                found.add(file.relative_to(package).as_posix())
    assert found <= OWN_FILES
