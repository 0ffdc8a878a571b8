"""Every form of a stream gives the same rows, and readers share them without overlap."""

import json
from collections import Counter

import pytest
from datasets import IterableDataset
from helpers.streams import WRITERS, photos, write_jsonl, write_parquet, write_tars
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_hardneg.data.shard_files import expand_braces
from hf_hardneg.data.streaming import (
    caption_rows,
    examples,
    find_stream_columns,
    open_stream,
    part_of,
    photo_rows,
    shuffle_in_buffer,
    text_columns,
)


def rows_of(source, split=None, challenge=()):
    stream, skipped = open_stream(source, split), Counter()
    columns = find_stream_columns(stream, source, None, None)
    rows = [
        row for raw in examples(stream) for row in photo_rows(raw, columns, challenge, lambda r: skipped.update([r]))
    ]
    return rows, skipped


@pytest.mark.parametrize("form", WRITERS)
def test_each_form_gives_all_photos_with_their_captions_and_bytes(tmp_path, form):
    wanted = photos(9)
    rows, skipped = rows_of(WRITERS[form](tmp_path / "shards", wanted, [4, 2, 3]))
    assert [(row["image_id"], row["caption"]) for row in rows] == [(one["image_id"], one["caption"]) for one in wanted]
    for row, one in zip(rows, wanted, strict=True):
        image = row["image"]
        content = image["bytes"] or open(image["path"], "rb").read()
        assert content == one["bytes"]
    assert not skipped


def test_archives_can_be_named_by_a_brace_list_a_glob_or_one_by_one(tmp_path):
    folder = write_tars(tmp_path / "shards", photos(9), [4, 2, 3], with_json=False)
    for source, number in (("{000..001}.tar", 6), ("*.tar", 9), ("002.tar", 3), ("{000,002}.tar", 7)):
        rows, _ = rows_of(f"{folder}/{source}")
        assert len({row["image_id"] for row in rows}) == len(rows) == number


def test_photos_of_two_archives_with_equal_keys_are_two_images(tmp_path):
    rows, _ = rows_of(write_tars(tmp_path / "shards", photos(4), [2, 2], with_json=False))
    assert len({row["image_id"] for row in rows}) == 4


def test_empty_shards_do_not_stop_a_stream(tmp_path):
    for form, write in WRITERS.items():
        rows, _ = rows_of(write(tmp_path / form, photos(4), [0, 3, 0, 1]))
        assert len(rows) == 4, form


def test_a_folder_without_a_row_and_a_missing_shard_are_said_in_a_sentence(tmp_path):
    with pytest.raises(ValueError, match="all its 2 files are empty"):
        open_stream(write_tars(tmp_path / "empty", [], [0, 0]))
    with pytest.raises(FileNotFoundError, match="000.tar"):
        open_stream(f"{tmp_path}/none/{{000..003}}.tar")
    (tmp_path / "urls.jsonl").write_text(json.dumps({"url": "a", "image": "https://x.org/a.jpg", "caption": "a"}))
    source = str(tmp_path / "urls.jsonl")
    with pytest.raises(ValueError, match="holds 1 URLs.*Nothing is downloaded"):
        find_stream_columns(open_stream(source), source, None, None)


def test_captions_of_one_photo_share_its_id_and_know_each_other(tmp_path):
    one = photos(1)[0] | {"caption": ["a red car", " ", "a blue bus"]}
    source = write_tars(tmp_path / "shards", [one], [1])
    rows, _ = rows_of(source)
    assert [(row["caption"], row["other_captions"]) for row in rows] == [
        ("a red car", ["a blue bus"]),
        ("a blue bus", ["a red car"]),
    ]
    assert len({row["image_id"] for row in rows}) == 1


def test_other_captions_and_categories_of_a_row_are_kept(tmp_path):
    one = photos(1)[0] | {"caption": ["a red car", "a blue bus"]}
    one |= {"other_captions": ["a kite", "a blue bus", " "], "categories": ["truck"]}
    source = write_tars(tmp_path / "shards", [one], [1], extra=("other_captions", "categories"))
    rows, _ = rows_of(source)
    assert [row["other_captions"] for row in rows] == [["a blue bus", "a kite"], ["a red car", "a kite"]]
    assert all(row["categories"] == ["truck"] for row in rows)
    source = write_tars(tmp_path / "broken", [one | {"caption": 3}], [1])
    with pytest.raises(ValueError, match="Column 'caption' of .*broken holds in the row of 000000.png int 3"):
        rows_of(source)


def test_challenge_photos_broken_photos_and_empty_captions_are_skipped_and_counted(tmp_path):
    wanted = photos(5)
    wanted[1]["bytes"] = wanted[1]["bytes"][:100]
    wanted[2]["caption"] = " "
    wanted[4]["image_id"] = 139
    rows, skipped = rows_of(write_parquet(tmp_path / "shards", wanted, [5]), challenge={139})
    assert [row["image_id"] for row in rows] == [wanted[0]["image_id"], wanted[3]["image_id"]]
    assert skipped == {
        "the image cannot be read": 1,
        "the caption is empty": 1,
        "the photo is in a challenge set": 1,
    }


def test_captions_of_parquet_shards_are_read_without_their_photos(tmp_path):
    source = write_parquet(tmp_path / "shards", photos(3), [3])
    stream = open_stream(source)
    columns = find_stream_columns(stream, source, None, None)
    wanted = text_columns(stream, columns)
    assert sorted(wanted) == ["caption", "image_id"]
    read = list(examples(open_stream(source, None, wanted)))
    assert all(set(raw) == {"caption", "image_id"} for raw in read)
    assert len([row for raw in read for row in caption_rows(raw, columns, None, print)]) == 3


def test_the_split_of_a_folder_of_shards_is_told_by_names(tmp_path):
    folder = write_jsonl(tmp_path / "shards", photos(4), [3, 1])
    (tmp_path / "shards" / "train-1.jsonl").rename(tmp_path / "shards" / "test-0.jsonl")
    assert len(rows_of(folder)[0]) == 3 and len(rows_of(folder, "test")[0]) == 1
    with pytest.raises(ValueError, match="begins with the split 'dev'"):
        open_stream(folder, "dev")


def numbers(shards):
    for shard in shards:
        for i in range(shard["size"]):
            yield {"row": f"{shard['name']}/{i}"}


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=6), st.integers(1, 9), st.integers(0, 3))
def test_readers_together_read_each_row_once(sizes, readers, epoch):
    shards = [{"name": i, "size": size} for i, size in enumerate(sizes)]
    stream = IterableDataset.from_generator(numbers, gen_kwargs={"shards": shards})
    stream = stream.shuffle(seed=epoch, buffer_size=1)
    read = Counter(row["row"] for reader in range(readers) for row in examples(part_of(stream, reader, readers)))
    assert set(read.values()) <= {1} and len(read) == sum(sizes)


@given(st.lists(st.integers()), st.integers(0, 9))
def test_a_shuffle_buffer_keeps_all_items(items, size):
    shuffled = list(shuffle_in_buffer(items, size, "a"))
    assert sorted(shuffled) == sorted(items) and shuffled == list(shuffle_in_buffer(items, size, "a"))


def test_braces_may_follow_each_other():
    assert expand_braces("{a,b}/{9..10}.tar") == ["a/9.tar", "a/10.tar", "b/9.tar", "b/10.tar"]
