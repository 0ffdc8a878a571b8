"""What is read of a benchmark: complete sets, splits, columns, labels, and the authors' ids."""

import json
import shutil
from collections import Counter

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Image, List, Value
from helpers.benchmark_fixtures import make_benchmark, save, save_parquet, scene, text, write_json
from helpers.table_encoder import TableEncoder

from hf_hardneg.cli import main
from hf_hardneg.commands.evaluate import evaluate_to_folder
from hf_hardneg.evaluation.benchmarks import load_benchmark, parse_benchmark
from hf_hardneg.evaluation.evaluate import load_tasks
from hf_hardneg.evaluation.results import mean_scores, summarize_outcomes
from hf_hardneg.model.encoding import Encoder


def karpathy_5000(folder, missing=()):
    """Karpathy's list of COCO with 5,000 photos in the test split; files that no test opens."""
    (folder / "val2014").mkdir(parents=True)
    entries = []
    for i in range(5000):
        name = f"COCO_val2014_{i:012}.jpg"
        if i not in missing:
            (folder / "val2014" / name).touch()
        sentences = [{"raw": text(i, "thing"), "imgid": i}]
        entry = {"filename": name, "filepath": "val2014", "imgid": i, "cocoid": i, "sentences": sentences}
        entries.append(entry | {"split": "test"})
    write_json(folder / "dataset_coco.json", {"images": entries})
    return f"coco={folder}"


def table_encoder(task):
    rng = np.random.default_rng(0)
    captions = [caption for texts in task.captions.values() for caption in texts]
    images = {image.key: rng.normal(size=8).astype(np.float32) for image in task.images.values()}
    return TableEncoder(images, {caption: rng.normal(size=8).astype(np.float32) for caption in captions})


def test_five_folds_are_parts_of_the_whole_list_and_no_mean_counts_an_item_twice(tmp_path):
    (task,) = load_benchmark(karpathy_5000(tmp_path))
    scores = task.run(table_encoder(task)).scores
    results = summarize_outcomes(scores)
    assert list(results) == ["all", "all in 5 folds"] == list(mean_scores(scores))
    assert results["all"]["image_to_text_R@1"]["n"] == results["all in 5 folds"]["image_to_text_R@1"]["n"] == 5000


@pytest.mark.parametrize("missing", [(4999,), range(10, 4990), range(3, 5000)])
def test_a_partial_download_of_coco_is_refused_with_the_number_of_missing_photos(tmp_path, missing):
    with pytest.raises(
        FileNotFoundError, match=rf"{len(missing):,} of the 5,000 photos.*missing.*easier.*val2014\.zip"
    ):
        load_benchmark(karpathy_5000(tmp_path, missing))


@pytest.mark.parametrize("name", ["coco", "flickr30k", "flickr30k, as on the Hub"])
def test_retrieval_with_a_missing_photo_is_refused_in_every_form(name, tmp_path, own_cache):
    spec = make_benchmark(name, tmp_path)
    if "Hub" in name:
        rows = [{"image": scene(0) if i else None, "caption": ["a"], "split": "test"} for i in range(3)]
        features = {"image": Image(), "caption": [Value("string")], "split": Value("string")}
        save_parquet(tmp_path, Dataset.from_list(rows, features=Features(features)))
    else:
        next(iter(sorted(tmp_path.glob("*/*.jpg")))).unlink()
    with pytest.raises(FileNotFoundError, match="1 of the .* photos that .* lists are missing"):
        load_benchmark(spec)


def test_cocos_official_layout_with_missing_photos_is_refused(coco):
    for file in sorted((coco / "val2017").iterdir())[:3]:
        file.unlink()
    with pytest.raises(FileNotFoundError, match="3 of the 12 photos"):
        load_benchmark(f"coco={coco}")


def test_a_smaller_set_or_photos_that_cannot_be_read_are_never_called_the_benchmark(coco, model, processor, start):
    (task,) = load_benchmark(f"coco={coco}")
    assert set(summarize_outcomes(task.run(Encoder(model, processor)).scores)) == {"12 images"}
    (coco / "val2017" / f"{100:012}.jpg").write_bytes(b"no photo")
    table = evaluate_to_folder([start], [f"coco={coco}"], None, coco / "out")
    assert "| coco | 11 of 12 images | image-to-text-R@1 | 11 | 1 |" in table and "macro" not in table
    metrics = json.loads((coco / "out" / "metrics.json").read_text())
    assert metrics["benchmarks"]["coco"]["skipped"] == {"12 images": {"the image cannot be read": 1}}


def test_a_group_whose_photos_are_all_missing_stands_in_the_table(tmp_path, start):
    spec = make_benchmark("whatsup", tmp_path / "data")
    shutil.rmtree(tmp_path / "data" / "vg_images")
    table = evaluate_to_folder([start], [spec], None, tmp_path / "out")
    assert "| whatsup | vg_one | | 0 | 6 |" in table and "| whatsup | vg_two | | 0 | 6 |" in table
    assert "| whatsup | macro | image-to-text | 28 | 12 |" in table
    assert len({line.count("|") for line in table.splitlines() if line.startswith("|")}) == 1


def train_and_val(coco):
    """README's folder: captions and photos of train2017 beside those of val2017."""
    annotations = coco / "annotations"
    shutil.copytree(coco / "val2017", coco / "train2017")
    data = json.loads((annotations / "captions_val2017.json").read_text())
    data["annotations"] = [one | {"caption": f"train {one['caption']}"} for one in data["annotations"]]
    write_json(annotations / "captions_train2017.json", data)


def captions_of(spec):
    (task,) = load_benchmark(spec)
    return [caption for captions in task.captions.values() for caption in captions]


def test_a_coco_folder_with_train_and_val_is_evaluated_on_val_and_a_split_can_be_chosen(coco, start, tmp_path, capsys):
    train_and_val(coco)
    assert not any(caption.startswith("train") for caption in captions_of(f"coco={coco}"))
    assert all(caption.startswith("train") for caption in captions_of(f"coco={coco}:train2017"))
    main(["evaluate", start, "--benchmarks", f"coco={coco}", "--out", str(tmp_path / "out")])
    assert "coco: split val2017." in capsys.readouterr().out
    about = json.loads((tmp_path / "out" / "metrics.json").read_text())["benchmarks"]["coco"]
    assert about["about"] == "split val2017" and about["source"] == f"coco={coco}"


def test_splits_that_cannot_be_guessed_or_are_not_there_name_those_there_are_and_no_foreign_flag(
    coco, start, tmp_path
):
    train_and_val(coco)
    shutil.copy(coco / "annotations" / "captions_val2017.json", coco / "annotations" / "captions_val2014.json")
    for spec in (f"coco={coco}", f"coco={coco}:test2017"):
        with pytest.raises(SystemExit) as caught:
            main(["evaluate", start, "--benchmarks", spec, "--out", str(tmp_path / "out")])
        message = str(caught.value)
        assert "['train2017', 'val2014', 'val2017']" in message and f"coco={coco}:SPLIT" in message
        assert "--" not in message and "dataset_split" not in message


@pytest.mark.parametrize(
    ("spec", "parts"),
    [
        ("coco=data/coco", ("coco", "data/coco", None)),
        ("coco=data/coco:val2017", ("coco", "data/coco", "val2017")),
        ("coco:val2017", ("coco", "", "val2017")),
        (
            "zero_shot=org/birds@refs/pr/2:test[:20]+train[10%:]",
            ("zero_shot", "org/birds@refs/pr/2", "test[:20]+train[10%:]"),
        ),
        ("flickr30k=nlphuji/flickr30k@main", ("flickr30k", "nlphuji/flickr30k@main", None)),
    ],
)
def test_one_notation_names_source_revision_and_split(spec, parts):
    assert parse_benchmark(spec) == parts


def test_a_path_that_exists_is_a_source_whatever_its_name_holds(tmp_path):
    (tmp_path / "set:v1").mkdir()
    assert parse_benchmark(f"coco={tmp_path / 'set:v1'}") == ("coco", str(tmp_path / "set:v1"), None)


def test_benchmarks_of_the_authors_files_have_no_split_and_no_columns(tmp_path):
    spec = make_benchmark("sugarcrepe", tmp_path)
    with pytest.raises(ValueError, match="sugarcrepe has no split to choose"):
        load_benchmark(f"{spec}:test")
    with pytest.raises(ValueError, match="--image_column img fits none of the benchmarks"):
        load_tasks([spec], {"image_column": "img"})


def labeled(folder, labels, split="test", image="image", label="label", others=None):
    features = {image: Image(), label: ClassLabel(names=["cup", "sun", "dog"])}
    rows = [{image: scene(i), label: value} for i, value in enumerate(labels)]
    for name, feature in (others or {}).items():
        features[name] = feature
        rows = [row | {name: 0} for row in rows]
    save_parquet(folder, Dataset.from_list(rows, features=Features(features)), split)


def test_images_without_a_label_are_skipped_and_counted(tmp_path, model, processor):
    labeled(tmp_path, [0, -1, 2, None, 1])
    (task,) = load_benchmark(f"zero_shot={tmp_path}")
    found = task.run(Encoder(model, processor))
    assert found.skipped == {"all": {"the image has no label": 2}}
    assert len(found.items) == 3 and [item["texts"][0] for item in found.items] == ["cup", "dog", "sun"]


def test_a_split_without_labels_is_refused_and_another_one_can_be_chosen(tmp_path):
    labeled(tmp_path, [-1, -1, None])
    labeled(tmp_path, [1, 0], "validation")
    with pytest.raises(ValueError, match=r"All 3 images in the split 'test'.*unlabeled.*zero_shot=.*:SPLIT"):
        load_benchmark(f"zero_shot={tmp_path}")
    (task,) = load_benchmark(f"zero_shot={tmp_path}:validation")
    assert len(task) == 2 and task.about == "split validation, image column image, label column label"
    with pytest.raises(ValueError, match=r"has the splits.*'validation'.*not 'train'|train"):
        load_benchmark(f"zero_shot={tmp_path}:train")


def test_a_label_that_no_class_has_is_refused():
    from hf_hardneg.evaluation.classification import ClassificationTask

    with pytest.raises(ValueError, match="an image has the label 3; the 2 classes are 0 to 1"):
        ClassificationTask("task", ["cup", "sun"]).add(None, 3)


@pytest.mark.parametrize("column", ["img", "jpg", "picture", "my_pixels"])
def test_image_columns_of_other_names_are_found(tmp_path, column):
    labeled(tmp_path, [0, 1, 2], image=column, label="fine_label", others={"coarse_label": ClassLabel(names=["x"])})
    (task,) = load_benchmark(f"zero_shot={tmp_path}")
    assert len(task) == 3 and task.about == f"split test, image column {column}, label column fine_label"


def test_columns_can_be_named_from_the_command_line(tmp_path, start, capsys):
    rows = [{"left": scene(i), "right": scene(9 + i), "kind": i % 2, "size": 0} for i in range(4)]
    names = {"kind": ClassLabel(names=["cup", "sun"]), "size": ClassLabel(names=["small", "large"])}
    save_parquet(
        tmp_path / "set", Dataset.from_list(rows, features=Features({"left": Image(), "right": Image(), **names}))
    )
    argv = ["evaluate", start, "--benchmarks", f"zero_shot={tmp_path / 'set'}", "--out", str(tmp_path / "out")]
    for flags, message in (([], "--image_column"), (["--image_column", "left"], "--label_column")):
        with pytest.raises(SystemExit, match=message):
            main([*argv, *flags])
    main([*argv, "--image_column", "right", "--label_column", "kind"])
    assert "zero_shot: split test, image column right, label column kind." in capsys.readouterr().out


def test_encoded_bytes_are_images_and_other_columns_are_refused(tmp_path):
    from io import BytesIO

    def png(i):
        scene(i).save(file := BytesIO(), "PNG")
        return file.getvalue()

    names = ClassLabel(names=["cup", "sun"])
    raw = [{"image": png(i), "label": i % 2} for i in range(3)]
    save_parquet(
        tmp_path / "raw", Dataset.from_list(raw, features=Features({"image": Value("binary"), "label": names}))
    )
    plain = {"image": {"bytes": Value("binary"), "path": Value("string")}, "label": names}
    rows = [{"image": {"bytes": png(i), "path": None}, "label": i % 2} for i in range(3)]
    save_parquet(tmp_path / "struct", Dataset.from_list(rows, features=Features(plain)))
    for folder in ("raw", "struct"):
        (task,) = load_benchmark(f"zero_shot={tmp_path / folder}")
        assert [image.read().size for image, _ in task.images] == [scene(0).size] * 3
    with pytest.raises(ValueError, match="'label'.*not images or their paths. Name another one"):
        load_benchmark(f"zero_shot={tmp_path / 'raw'}", image_column="label")


def test_saved_datasets_and_retrieval_tables_have_splits_and_columns(tmp_path):
    features = Features({"picture": Image(), "sentences": List(Value("string"))})
    rows = [{"picture": scene(i), "sentences": [f"val {i}"]} for i in range(4)]
    parts = {"test": [row | {"sentences": ["test"]} for row in rows], "validation": rows}
    DatasetDict({k: Dataset.from_list(v, features=features) for k, v in parts.items()}).save_to_disk(tmp_path / "set")
    assert captions_of(f"flickr30k={tmp_path / 'set'}:validation") == [f"val {i}" for i in range(4)]
    assert captions_of(f"flickr30k={tmp_path / 'set'}") == ["test"] * 4


def test_class_folders_of_a_split_are_read_and_splits_are_no_classes(tmp_path):
    for split in ("train", "val"):
        for label in ("cup", "sun"):
            save(tmp_path / split / label, "1.png", 1)
    (task,) = load_benchmark(f"zero_shot={tmp_path}")
    assert task.classes == ["cup", "sun"] and task.about == "folder val"
    assert load_benchmark(f"zero_shot={tmp_path}:train")[0].about == "folder train"
    with pytest.raises(ValueError, match=r"no folder 'dev'.*'train', 'val'"):
        load_benchmark(f"zero_shot={tmp_path}:dev")


@pytest.mark.parametrize("name", ["sugarcrepe", "sugarcrepe_pp"])
def test_items_keep_the_authors_keys_where_one_is_missing(name, tmp_path):
    spec = make_benchmark(name, tmp_path)
    file = tmp_path / "data" / "swap_att.json"
    rows = json.loads(file.read_text())
    write_json(file, {k: v for k, v in rows.items() if k != "2"} if isinstance(rows, dict) else rows[:2] + rows[3:])
    items = [item for item in load_benchmark(spec)[0].items if item.startswith("swap_att/")]
    assert items == [f"swap_att/{key}" for key in "01345"]


def test_ids_in_a_column_are_the_authors(tmp_path):
    make_benchmark("winoground, as on the Hub", tmp_path / "a")
    table = Dataset.from_parquet(str(next((tmp_path / "a").glob("data/*.parquet"))))
    save_parquet(tmp_path / "a", table.add_column("id", [f"ex {i}" for i in range(len(table))]).select([0, 4]))
    assert load_benchmark(f"winoground={tmp_path / 'a'}")[0].items == ["ex 0", "ex 4"]


def test_skips_of_one_benchmark_add_up_with_what_was_scored(tmp_path, start):
    spec = make_benchmark("sugarcrepe", tmp_path / "data")
    (tmp_path / "data" / "val2017" / f"{1000:012}.png").unlink()
    evaluate_to_folder([start], [spec], None, tmp_path / "out")
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    for task, total in (("sugarcrepe", 30), ("sugarcrepe_add", 12)):
        groups = metrics["results"][start][task]
        for group, size in {"macro": total, "swap_att": 6, "add_att": 6}.items():
            if group in groups:
                score = groups[group]["image_to_text"]
                assert score["n"] + score["skipped"] == size
    counted = Counter(metrics["benchmarks"]["sugarcrepe"]["skipped"]["swap_att"])
    assert counted == {
        "the image is missing": metrics["results"][start]["sugarcrepe"]["swap_att"]["image_to_text"]["skipped"]
    }


def test_a_model_folder_with_a_comma_in_its_name_is_one_model(tmp_path):
    from hf_hardneg.evaluation.evaluate import parse_models

    (tmp_path / "a,b").mkdir()
    folder = str(tmp_path / "a,b")
    assert parse_models([folder, f"ours={folder}", "seeds=a,b"]) == {
        folder: [folder],
        "ours": [folder],
        "seeds": ["a", "b"],
    }
    with pytest.raises(ValueError, match="empty path"):
        parse_models(["m=a,,b"])


def test_folders_and_files_that_programs_leave_are_no_classes_and_no_images(tmp_path):
    for name in ("cat", "dog", ".ipynb_checkpoints", "__MACOSX"):
        (tmp_path / "test" / name).mkdir(parents=True)
        scene(0).save(tmp_path / "test" / name / "0.png")
        (tmp_path / "test" / name / "._0.png").write_bytes(b"what macOS knows of the file")
    (task,) = load_benchmark(f"zero_shot={tmp_path}")
    assert (task.classes, len(task), task.skipped) == (["cat", "dog"], 2, {})


@pytest.mark.parametrize(("field", "value"), [("caption", 5), ("filename", None), ("negative_caption", ["a"])])
def test_a_row_of_the_authors_file_that_holds_no_text_is_named(tmp_path, field, value):
    make_benchmark("sugarcrepe", tmp_path)
    file = next(tmp_path.rglob("swap_obj.json"))
    rows = json.loads(file.read_text())
    key = list(rows)[-1]
    rows[key][field] = value
    file.write_text(json.dumps(rows))
    with pytest.raises(ValueError, match=rf"Row {key} of .*swap_obj.json has {field} = .*must be a string"):
        load_benchmark(f"sugarcrepe={tmp_path}")


def test_a_text_of_a_table_that_is_none_is_named(tmp_path):
    columns = {"image_1": [scene(0)], "image_2": [scene(1)], "caption_1": [1], "caption_2": [2]}
    features = {"image_1": Image(), "image_2": Image(), "caption_1": Value("int64"), "caption_2": Value("int64")}
    Dataset.from_dict(columns, features=Features(features)).save_to_disk(tmp_path / "table")
    with pytest.raises(ValueError, match="colorswap: item 0 has the text 1, which must be a string"):
        load_benchmark(f"colorswap={tmp_path / 'table'}")
