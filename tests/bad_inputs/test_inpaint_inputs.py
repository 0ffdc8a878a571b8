"""Bad inputs of `hf-hardneg inpaint build`, `review`, `export` and `validate`."""

import json
import shutil

import pytest
from datasets import Dataset, Features, Image, List, Value
from helpers.bad_inputs import (
    NO_COUNT,
    NO_NUMBER,
    Bad,
    bad_contents,
    bad_values,
    check_all,
    of_contents,
    of_flags,
    of_json,
    of_places,
    parquet_bytes,
)
from helpers.inpainting_folder import PHOTOS, make_folder
from helpers.review_folder import make_review_folder


# Odd and right: what an old journal lacks, and texts that nothing depends on.
OLD = tuple(f"run: {name} is dropped" for name in ("coco", "split", "seed", "made_with"))
OLD += ("run: split is text", "run: seed is huge")
RIGHT = (
    "proposal: garment is text",
    "retry: proposal.garment is text",
    "decision: reasons.0 is text",
    "retry: reasons.0 is text",
    "done: skipped.the caption names several is dropped",
    "review: quality is null",
    "review: quality is dropped",
)
# An accepting review without a candidate, or without a caption: the error names the pair, not the line.
OF_A_PAIR = ("review: candidate is null", "review: candidate is dropped", "review: caption is dropped")


def journal_inputs(folder, argv, right=RIGHT + OLD, left_out=OF_A_PAIR):
    """Each kind of line of a journal with each of its fields of another type, dropped, or cut."""
    file = folder / "journal.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    first = {}
    for number, line in enumerate(lines):
        first.setdefault(line["kind"], number)
    for kind, number in first.items():
        for name, field, value in bad_values(lines[number]):
            if f"{kind}: {name}" in left_out:
                continue
            is_right = f"{kind}: {name}" in right
            where = f"journal.jsonl, line {number + 1},"
            text = "".join(json.dumps(value if i == number else line) + "\n" for i, line in enumerate(lines))
            yield Bad(f"{kind}: {name}", argv, (where,), field, file, text.encode(), is_right)
    rest = "".join(json.dumps(line) + "\n" for line in lines[1:]).encode()
    for name, content in bad_contents(json.dumps(lines[0]).encode()):
        if name not in ("empty", "blank"):
            yield Bad(f"line 1: {name}", argv, ("journal.jsonl, line 1,",), "", file, content + b"\n" + rest)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A finished journal with one item, every kind of line, and its COCO folder."""
    folder = tmp_path_factory.mktemp("built")
    out = make_review_folder(folder, 1)
    lines = [json.loads(line) for line in (out / "journal.jsonl").read_text().splitlines()]
    proposal = next(line for line in lines if line["kind"] == "proposal")
    decision = next(line for line in lines if line["kind"] == "decision")
    edits = next(line for line in lines if line["kind"] == "candidates")["edits"]
    about = {"key": proposal["key"], "worker": "ann"}
    stored = {name: value for name, value in proposal.items() if name != "kind"}
    lines += [
        {"kind": "given", **about, "time": 1.5},
        {"kind": "review", **about, "verdict": "accept", "candidate": 0, "caption": "A blue car.", "quality": 4},
        {"kind": "retry", **about, "prompt": "a blue car", "proposal": stored, "edits": edits,
         "reasons": decision["reasons"]},
        {"kind": "done", "image_id": 1, "skipped": {"the caption names several": 1}},
        {"kind": "finished"},
    ]  # fmt: skip
    (out / "journal.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


@pytest.fixture
def journal(built, tmp_path):
    shutil.copytree(built, tmp_path / "built")
    return tmp_path / "built" / "out"


def test_export(journal, tmp_path, capsys):
    argv = ["inpaint", "export", str(journal), "--out", str(tmp_path / "out")]
    check_all(journal_inputs(journal, argv), capsys)
    places = of_places(argv[:-2], "--out", tmp_path / "places", ("README.md", "data", "notes.txt"))
    check_all(places, capsys, at_least=10)


def test_damaged_images_of_an_export(journal, tmp_path, capsys):
    argv = ["inpaint", "export", str(journal), "--out", str(tmp_path / "out")]
    inputs = [bad for image in (journal / "images").iterdir() for bad in of_contents(image, image.read_bytes(), argv)]
    check_all(inputs, capsys, at_least=40)


def test_review(journal, capsys, monkeypatch):
    gradio = pytest.importorskip("gradio", reason="pip install 'hf-hardneg[review]'")
    monkeypatch.setattr(gradio.Blocks, "launch", lambda *_, **__: None)  # a journal that is taken would be served
    argv = ["inpaint", "review", str(journal)]
    inputs = [*journal_inputs(journal, argv)]
    ports = ("-1", "0", "65536", "99999999", *NO_COUNT)
    inputs += of_flags(argv, {"--port": ports, "--reviews": ("0", *NO_COUNT), "--host": ("0.0.0.0", "example.org")})
    check_all(inputs, capsys)


def test_build_on_a_journal(journal, built, capsys):
    argv = ["inpaint", "build", "--coco", str(built / "coco"), "--out", str(journal)]
    # A build looks at no review; that a run has other settings is an error that names the folder.
    check_all(journal_inputs(journal, argv, RIGHT + OF_A_PAIR, OLD), capsys)
    others = [bad for bad in journal_inputs(journal, argv, (), OF_A_PAIR) if bad.name in OLD]
    check_all([bad._replace(says=(str(journal),), field="") for bad in others], capsys, at_least=len(OLD))


def is_right(name):
    """Whether a changed annotation is right: each broken mask is counted, and some fields are not needed."""
    place, _, change = name.partition(" is ")
    if place.startswith("annotations.0.segmentation"):
        return change != "dropped" and name != "annotations.0.segmentation is null"
    can_be_missing = place.removeprefix("annotations.0.") in ("caption", "area", "iscrowd")
    return can_be_missing and change in ("null", "dropped")


def anew(inputs, out):
    """A build goes on in its folder, where it would not look at the photo again."""
    for bad in inputs:
        shutil.rmtree(out, ignore_errors=True)
        yield bad


def test_build(tmp_path, capsys):
    # Without a word for a size: filling what a smaller object uncovers takes most of a second.
    coco = make_folder(tmp_path / "coco", [(["A red bus on a road.", "A bus is parked."], PHOTOS[0][1])])
    argv = ["inpaint", "build", "--coco", str(coco), "--out", str(tmp_path / "out")]
    inputs = []
    for kind in ("captions", "instances"):
        file = coco / "annotations" / f"{kind}_val2017.json"
        data = json.loads(file.read_text())
        if kind == "instances":
            del data["images"]

        inputs += (
            bad
            for bad in of_json(file, data, argv, is_right)
            # The error names the folder: no photo of it has a mask.
            if "segmentation is dropped" not in bad.name and "segmentation is null" not in bad.name
        )
    inputs += of_flags(
        [*argv, "--editor", "diffusers"],
        {
            "--candidates": ("0", *NO_COUNT),
            "--steps": ("0", *NO_COUNT),
            "--guidance": ("-1", "inf", *NO_NUMBER),
            "--strength": ("0", "1.1", "inf", *NO_NUMBER),
            "--seed": NO_NUMBER,
        },
    )
    inputs += of_flags([*argv, "--masks", "clipseg"], {"--mask_threshold": ("-1", "1.1", *NO_NUMBER)})
    inputs += of_places(argv[:-2], "--out", tmp_path / "places", ("images", "contact_sheet.png"))
    check_all(anew(inputs, tmp_path / "out"), capsys)


IMAGES, TEXTS = ("coco_image", "inpaint_image", "mask"), ("coco_caption", "inpaint_caption", "concept")
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c49444154789c63606060000000040001f61738550000000049454e44ae426082"
)
NO_SPLITS = ("test:", "test[:5]%", "0", "Test", "validation", "*", "test,train", "all[", "\0", "test[-1:x]", "[]")
OTHERS = {
    "a number": (3, Value("int64")),
    "a float": (0.5, Value("float64")),
    "a flag": (True, Value("bool")),
    "a list": ([3], List(Value("int64"))),
    "lists": ([["x"]], List(List(Value("string")))),
    "an object": ({"x": 1}, {"x": Value("int64")}),
    "objects": ([{"bytes": 3}], List({"bytes": Value("int64")})),
    "text": ("x", Value("string")),
}


def test_validate(tmp_path, capsys):
    folder = tmp_path / "set"
    folder.mkdir()
    file = folder / "test.parquet"
    argv = ["inpaint", "validate", str(folder)]
    image = {"bytes": b"x", "path": "a.png"}
    row = {"coco_caption": "A red car.", "inpaint_caption": "A blue car.", "concept": "color", "coco_image": image,
           "inpaint_image": image, "mask": image}  # fmt: skip
    features = dict.fromkeys(IMAGES, Image()) | dict.fromkeys(TEXTS, Value("string"))

    def write(changes=None, types=None, drop=()):
        kept = {name: kind for name, kind in {**features, **(types or {})}.items() if name not in drop}
        rows = [{name: value for name, value in {**row, **(changes or {})}.items() if name not in drop}]
        return parquet_bytes(Dataset.from_list(rows, Features(kept)).with_format("arrow")[:])

    good = write()
    file.write_bytes(good)
    inputs = list(of_contents(file, good, argv, (str(folder),)))
    for column in (*IMAGES, *TEXTS):
        if column not in ("mask", "concept"):  # a set may lack these
            inputs.append(Bad(f"without {column}", argv, (str(folder),), column, file, write(drop=(column,))))
        for name, (value, kind) in OTHERS.items():
            if name != "text" or column in IMAGES:
                content = write({column: value}, {column: kind})
                inputs.append(Bad(f"{column} is {name}", argv, (str(folder),), column, file, content))
    for name, value in {"no image": b"x", "nothing": b"", "half": PNG[:-9], "a text": b"GIF89a"}.items():
        for column in IMAGES:
            image = {"bytes": value, "path": "a.png"}
            content = write({column: image})
            inputs.append(Bad(f"{column} holds {name}", argv, (), "", file, content, is_right=True))  # counted
    inputs += of_places(argv, "--json", tmp_path / "files", is_file=True, ending=".json")
    for split in ("train", "x", "", "test[", "test[:200%]", "[1]", "..", "test+train", "a/b", "TEST", *NO_SPLITS):
        inputs.append(Bad(f"--split {split}", [*argv, "--split", split], (str(folder), "split")))
    for source in ("nowhere", "", "a/b/c", "x" * 300, "a b", "org/name@", "@", "/dev/null", "\0"):
        inputs.append(Bad(f"source {source!r:.20}", ["inpaint", "validate", source], (source[:20],)))
    check_all(inputs, capsys)
