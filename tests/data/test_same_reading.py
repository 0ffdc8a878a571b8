"""A table is read alike by training, by streams and by evaluation: the same cells, and the same column of images."""

import json

import pytest
from datasets import Dataset, Features, Image, List, Value, load_dataset
from PIL import Image as Pillow

from hf_hardneg.data.captioned_images import load_captioned_images
from hf_hardneg.data.files import open_dataset
from hf_hardneg.data.streaming import examples, find_stream_columns, open_stream, photo_rows
from hf_hardneg.evaluation.benchmarks import load_benchmark


CAPTIONS = ["NA", "None", "null", "a red car", "nan"]
IDS = ["007", "7", "70", "1e3", "1.0"]
COLORS = [(50 * i, 3, 200) for i in range(5)]
MASK = (9, 9, 9)


@pytest.fixture
def photos(tmp_path):
    """Five photos, each of one color, and a mask."""
    (tmp_path / "photos").mkdir()
    for i, color in enumerate(COLORS):
        Pillow.new("RGB", (40, 40), color).save(tmp_path / "photos" / f"{i}.png")
    Pillow.new("RGB", (40, 40), MASK).save(tmp_path / "mask.png")
    return [f"photos/{i}.png" for i in range(5)]


def color(image):
    return image.getpixel((0, 0))


def of_table(source, **options):
    rows, skipped = load_captioned_images(str(source), "train", **options)
    assert not skipped
    return sorted((row["caption"], color(row["image"])) for row in rows), len(set(rows["image_id"]))


def of_stream(source, image_column=None, caption_column=None, **options):
    stream = open_stream(str(source), **options)
    columns = find_stream_columns(stream, str(source), image_column, caption_column)
    rows = [row for raw in examples(stream) for row in photo_rows(raw, columns, None, pytest.fail)]
    found = sorted((row["caption"], color(Image().decode_example(row["image"]))) for row in rows)
    return found, len({row["image_id"] for row in rows})


def of_evaluation(source, image_column=None):
    (task,) = load_benchmark(f"flickr30k={source}", image_column=image_column)
    return [color(image.read()) for image in task.images.values()]


def write_csv(file, names, columns, separator):
    file.parent.mkdir(exist_ok=True)
    lines = [names, *map(list, zip(*columns, strict=True))]
    file.write_text("".join(separator.join(line) + "\n" for line in lines))
    return file


@pytest.mark.parametrize(
    ("name", "separator"),
    [
        ("t.csv", ","),
        ("t.csv", ";"),
        ("t.csv", "\t"),
        ("t.csv", "|"),
        ("t.tsv", "\t"),
        ("t.txt", ","),
        ("sh/t.csv", ";"),
    ],
)
def test_cells_are_read_as_written_with_every_separator(tmp_path, photos, name, separator):
    paths = [f"{'../' if '/' in name else ''}{path}" for path in photos]
    file = write_csv(tmp_path / name, ["filepath", "caption", "image_id"], [paths, CAPTIONS, IDS], separator)
    wanted = sorted(zip(CAPTIONS, COLORS, strict=True)), 5
    source = file if "/" not in name else file.parent
    assert of_stream(source) == of_table(source) == wanted


@pytest.mark.parametrize("separator", [",", ";"])
def test_the_metadata_of_an_image_folder_are_read_as_written(tmp_path, photos, separator):
    names = [path.removeprefix("photos/") for path in photos]
    write_csv(
        tmp_path / "photos" / "metadata.csv", ["file_name", "text", "image_id"], [names, CAPTIONS, IDS], separator
    )
    wanted = sorted(zip(CAPTIONS, COLORS, strict=True)), 5
    assert of_stream(tmp_path / "photos") == of_table(tmp_path / "photos") == wanted


def table(folder, columns, **types):
    data = Dataset.from_dict({**columns, "caption": CAPTIONS})
    for name, feature in types.items():
        data = data.cast_column(name, feature)
    data.to_parquet(folder / "table.parquet")
    return folder / "table.parquet"


@pytest.mark.parametrize(
    ("usual", "other", "kind"),
    [("image", "mask", "image"), ("image", "segmentation", "bytes"), ("filepath", "clip_embedding", "bytes")],
)
def test_a_usual_name_wins_over_other_encoded_columns(tmp_path, photos, usual, other, kind):
    mask = tmp_path / "mask.png"
    cells = [mask.read_bytes() if kind == "bytes" else str(mask)] * 5
    types = {} if kind == "bytes" else {other: Image()}
    source = table(tmp_path, {other: cells, usual: photos}, **types)
    wanted = sorted(zip(CAPTIONS, COLORS, strict=True)), 5
    assert of_stream(source) == of_table(source) == wanted
    assert of_evaluation(source) == COLORS


READERS = {"table": of_table, "stream": of_stream, "evaluation": of_evaluation}


@pytest.mark.parametrize("reader", READERS)
def test_in_doubt_the_candidates_are_named(tmp_path, photos, reader):
    source = table(tmp_path, {"filepath": photos, "depth": [str(tmp_path / "mask.png")] * 5}, depth=Image())
    with pytest.raises(ValueError, match="several columns.*'filepath', 'depth'.*--image_column"):
        READERS[reader](source)
    assert str(MASK) not in str(READERS[reader](source, image_column="filepath"))


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("wish", [None, "images"])
def test_lists_of_images_are_refused_with_what_to_do(tmp_path, photos, reader, wish):
    features = Features({"images": List(Image()), "caption": Value("string")})
    columns = {"images": [[str(tmp_path / path)] for path in photos], "caption": CAPTIONS}
    Dataset.from_dict(columns, features=features).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(ValueError, match="'images'.*holds a list of images.*one image in each row"):
        READERS[reader](tmp_path / "t.parquet", image_column=wish)


@pytest.mark.parametrize("reader", READERS)
def test_a_column_of_numbers_is_refused_with_the_columns_that_may_hold_images(tmp_path, photos, reader):
    Dataset.from_dict({"n": [1] * 5, "foto": photos, "caption": CAPTIONS}).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(ValueError, match="'n'.*not images or their paths.*foto, caption"):
        READERS[reader](tmp_path / "t.parquet", image_column="n")


def test_a_stream_finds_the_only_column_of_images_by_its_type(tmp_path, photos):
    source = table(tmp_path, {"foto": [str(tmp_path / path) for path in photos]}, foto=Image())
    assert of_stream(source) == of_table(source)


def test_paths_in_structs_are_relative_to_the_table_everywhere(tmp_path, photos):
    rows = [{"image": {"path": path, "bytes": None}, "caption": "a"} for path in photos]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert of_stream(tmp_path / "t.jsonl") == of_table(tmp_path / "t.jsonl")
    assert of_evaluation(tmp_path / "t.jsonl") == COLORS


def test_shards_of_a_stream_may_have_ids_of_several_types(tmp_path, photos):
    (tmp_path / "shards").mkdir()
    for shard, ids in enumerate(([1, 2], ["x1", "x2", None])):
        start = 2 * shard
        rows = [
            {"filepath": f"../{path}", "image_id": image_id, "caption": "a"}
            for path, image_id in zip(photos[start:], ids, strict=False)
        ]
        (tmp_path / "shards" / f"train-{shard}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    rows, number = of_stream(tmp_path / "shards")
    assert len(rows) == number == 5


def test_broken_rows_of_a_stream_are_named_with_file_and_line(tmp_path, photos):
    file = write_csv(tmp_path / "t.csv", ["filepath", "caption"], [photos, ["a"] * 5], ",")
    file.write_text(file.read_text() + "photos/0.png,a dog, running\n")
    with pytest.raises(ValueError, match=r"t.csv has 2 columns in its header and 3 cells.* line 7\. Put cells"):
        of_stream(file)
    file.write_text(file.read_text().replace("photos/0.png,a dog, running", "photos/0.png"))
    with pytest.raises(ValueError, match=r"1 cells in the row that ends in line 7\. Add the missing ','"):
        of_stream(file)
    (tmp_path / "t.jsonl").write_text('{"filepath": "photos/0.png", "caption": "a"}\n{"filepath": ')
    with pytest.raises(ValueError, match="t.jsonl, line 2, is not valid JSON"):
        of_stream(tmp_path / "t.jsonl")


@pytest.mark.parametrize("cell", [3, [["a"]]])
def test_cells_of_a_stream_that_are_no_captions_are_named(tmp_path, photos, cell):
    rows = [{"filepath": path, "caption": cell} for path in photos]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(ValueError, match="Column 'caption' of .*t.jsonl holds in the row of .*0.png"):
        of_stream(tmp_path / "t.jsonl")


def test_a_stream_takes_the_configuration_that_is_named(tmp_path, photos):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Dataset.from_dict({"image": [str(tmp_path / photos[0])], "caption": [name]}).to_parquet(
            tmp_path / name / "train.parquet"
        )
    (tmp_path / "README.md").write_text(
        "---\nconfigs:\n- config_name: a\n  data_files: a/*.parquet\n- config_name: b\n"
        "  data_files: b/*.parquet\n---\n"
    )
    assert of_stream(tmp_path, config="b")[0] == [("b", COLORS[0])]
    for config, said in ((None, "several configurations"), ("zz", "no configuration 'zz'")):
        with pytest.raises(ValueError, match=f"{said}; choose one of .*'a', 'b'.*--dataset_config"):
            open_stream(str(tmp_path), config=config)


def test_a_configuration_of_what_has_none_is_refused(tmp_path, photos):
    file = str(write_csv(tmp_path / "t.csv", ["filepath", "caption"], [photos, CAPTIONS], ","))
    for open_it in (lambda: open_stream(file, config="zz"), lambda: open_dataset(file, "train", "zz")):
        with pytest.raises(ValueError, match="has no configurations.*'zz'"):
            open_it()


def test_slices_and_unknown_splits_of_a_stream_are_refused_with_the_reason(tmp_path, photos):
    source = str(table(tmp_path, {"image": photos}))
    with pytest.raises(
        ValueError, match=r"no slices such as 'train\[:2\]', since the number of its rows is not known"
    ):
        open_stream(source, "train[:2]")
    with pytest.raises(ValueError, match=r"has the splits \['train'\], not 'dev'"):
        open_stream(str(tmp_path), "dev")


def test_paths_of_a_table_are_evaluated_like_embedded_images(tmp_path, photos):
    file = write_csv(tmp_path / "t.csv", ["where", "caption"], [photos, CAPTIONS], ",")
    assert of_evaluation(file, image_column="where") == COLORS
    (tmp_path / photos[0]).unlink()
    with pytest.raises(FileNotFoundError, match="1 of the 5 photos that .* are missing"):
        load_benchmark(f"flickr30k={file}", image_column="where")


def as_json(rows):
    """A table as JSON, by the names of the files that may hold it so."""
    by_number = {str(i): row for i, row in enumerate(rows)}
    lines = "\n".join(map(json.dumps, rows))
    return {
        "list.json": json.dumps(rows, indent=1),
        "list.jsonl": json.dumps(rows),
        "object.json": json.dumps(by_number, indent=1),
        "one_line.json": json.dumps(by_number),
        "lines.json": lines,
        "bom.jsonl": "\ufeff\n" + lines + "\n\n",
    }


@pytest.mark.parametrize("name", as_json([]))
def test_a_stream_reads_every_form_of_json_that_a_table_has(tmp_path, photos, name):
    rows = [{"filepath": path, "caption": text} for path, text in zip(photos, CAPTIONS, strict=True)]
    (tmp_path / name).write_text(as_json(rows)[name])
    assert of_stream(tmp_path / name) == of_table(tmp_path / name) == (sorted(zip(CAPTIONS, COLORS, strict=True)), 5)


def test_hidden_files_beside_shards_are_no_shards(tmp_path, photos):
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "0.csv").write_text(f"filepath,caption\n../{photos[0]},a\n")
    (tmp_path / "shards" / "._0.csv").write_bytes(b"\x00\x05\x16\x07")
    assert of_stream(tmp_path / "shards")[0] == [("a", COLORS[0])]


def test_the_cache_of_an_earlier_reading_of_metadata_is_not_taken(tmp_path, photos):
    names = [path.removeprefix("photos/") for path in photos]
    write_csv(tmp_path / "photos" / "metadata.csv", ["file_name", "text"], [names, CAPTIONS], ",")
    assert load_dataset(str(tmp_path / "photos"), split="train")["text"][0] is None  # what `datasets` reads
    assert of_table(tmp_path / "photos")[0] == sorted(zip(CAPTIONS, COLORS, strict=True))
