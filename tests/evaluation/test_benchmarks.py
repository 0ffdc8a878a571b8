"""Every benchmark on a small folder in its authors' format, against references that are slow and obviously right."""

import json
import shutil
import socket
from collections import Counter

import numpy as np
import pytest
from helpers.benchmark_fixtures import FIXTURES, make_benchmark, save, write_json
from helpers.coco_folder import edit_captions
from helpers.slow_choices import slow_choice
from helpers.table_encoder import TableEncoder
from PIL import Image

from hf_hardneg.commands.evaluate import evaluate_to_folder
from hf_hardneg.evaluation.benchmarks import benchmark_names, load_benchmark
from hf_hardneg.evaluation.classification import ClassificationTask
from hf_hardneg.evaluation.results import mean_scores, summarize_outcomes
from hf_hardneg.evaluation.retrieval import RetrievalTask
from hf_hardneg.evaluation.tasks import ChoiceTask
from hf_hardneg.evaluation.wrong_image import CONTROLS, GAINS
from hf_hardneg.model.encoding import Encoder, encode_images, encode_texts


@pytest.fixture(scope="module")
def specs(tmp_path_factory, own_cache):
    """The spec of each fixture, written once."""
    root = tmp_path_factory.mktemp("benchmarks")
    return {name: make_benchmark(name, root / str(i)) for i, name in enumerate(FIXTURES)}


def test_every_benchmark_has_a_fixture():
    assert {name.split(",")[0] for name in FIXTURES} | {"scenes"} == set(benchmark_names())


def keys_and_texts(task):
    if isinstance(task, ChoiceTask):
        return list(task.images), list(task.texts)
    if isinstance(task, RetrievalTask):
        return [i.key for i in task.images.values()], [c for texts in task.captions.values() for c in texts]
    prompts = [template.format(name) for name in task.classes for template in task.templates]
    return [image.key for image, _ in task.images], prompts


def truths(task):
    """(image key, text, whether it is true of it) of everything that a task asks."""
    if isinstance(task, ChoiceTask):
        texts = list(task.texts)
        for images, numbers in zip(task.item_images, task.item_texts, strict=True):
            for i, key in enumerate(images):
                yield from ((key, texts[number], bool(task.belongs[i, j])) for j, number in enumerate(numbers))
    elif isinstance(task, RetrievalTask):
        for image_id, captions in task.captions.items():
            yield from ((task.images[image_id].key, caption, True) for caption in captions)
    else:
        for image, label in task.images:
            yield from ((image.key, t.format(task.classes[label]), True) for t in task.templates)


def knowing(task, sign):
    """Each image a direction of its own; a text points to the images it is true of and away from the others."""
    keys, texts = keys_and_texts(task)
    keys = list(dict.fromkeys(keys))
    place = {key: i for i, key in enumerate(keys)}
    images = {key: sign * np.eye(len(keys), dtype=np.float32)[i] for key, i in place.items()}
    rows = {text: np.zeros(len(keys), dtype=np.float32) for text in texts}
    for key, text, true in truths(task):
        rows[text][place[key]] = 1 if true else -1
    return TableEncoder(images, {text: row / np.linalg.norm(row) for text, row in rows.items()})


@pytest.mark.parametrize("name", FIXTURES)
def test_a_perfect_model_scores_100_and_an_always_wrong_one_0(specs, name):
    for task in load_benchmark(specs[name]):
        best, worst = (task.run(knowing(task, sign)).scores for sign in (1, -1))
        assert best
        for score, outcome in best.items():
            if score.endswith(CONTROLS + GAINS):
                continue
            if score == "brittleness":
                assert not outcome.values.any()
                continue
            assert (outcome.values == 1).all(), (task.name, score)
            if score != "text_to_text":  # looks at no image
                assert not worst[score].values.any(), (task.name, score)


@pytest.mark.parametrize("name", FIXTURES)
def test_random_embeddings_land_at_the_stated_chance(specs, name):
    rng = np.random.default_rng(0)

    def random_rows(keys):
        rows = rng.normal(size=(len(keys), 64)).astype(np.float32)
        return dict(zip(keys, rows / np.linalg.norm(rows, axis=1, keepdims=True), strict=True))

    for task in load_benchmark(specs[name]):
        keys, texts = (list(dict.fromkeys(part)) for part in keys_and_texts(task))
        runs = [task.run(TableEncoder(random_rows(keys), random_rows(texts))).scores for _ in range(120)]
        for score, first in runs[0].items():
            if first.chance is None:
                assert isinstance(task, RetrievalTask)
                continue
            means = np.array([run[score].values.mean() for run in runs])
            margin = 4 * means.std(ddof=1) / np.sqrt(len(means))
            assert abs(means.mean() - first.chance) <= margin, (task.name, score, means.mean(), first.chance)


@pytest.mark.parametrize(
    "name", [name for name in FIXTURES if name.split(",")[0] not in ("coco", "flickr30k", "zero_shot")]
)
def test_choices_equal_one_item_at_a_time_with_every_image_encoded_alone(specs, name, model, processor):
    for task in load_benchmark(specs[name]):
        outcomes = task.run(Encoder(model, processor)).scores
        texts = list(task.texts)
        for i, (keys, numbers) in enumerate(zip(task.item_images, task.item_texts, strict=True)):
            images = [encode_images(model, processor, [task.images[key].read()])[0].double() for key in keys]
            embedded = [encode_texts(model, processor, [texts[number]])[0].double() for number in numbers]
            scores = [[float(image @ text) for text in embedded] for image in images]
            expected = slow_choice(scores, task.belongs[:, : len(numbers)].tolist())
            if len(keys) == 1 and task.belongs.sum() > 1:
                alike = [float(embedded[a] @ embedded[b]) for a, b in ((0, 1), (0, 2), (1, 2))]
                expected["text_to_text"] = alike[0] > max(alike[1:])
            right = {name: one.values[i] for name, one in outcomes.items() if not name.endswith(CONTROLS + GAINS)}
            assert right == expected


@pytest.mark.parametrize("name", ["zero_shot", "zero_shot, as on the Hub"])
def test_classification_equals_one_image_at_a_time(specs, name, model, processor):
    (task,) = load_benchmark(specs[name])
    assert isinstance(task, ClassificationTask) and len(task) == 28
    outcomes = task.run(Encoder(model, processor)).scores
    classes = []
    for label in task.classes:
        mean = encode_texts(model, processor, [t.format(label) for t in task.templates]).double().mean(0)
        classes.append(mean / mean.norm())
    for i, (image, label) in enumerate(task.images):
        embedding = encode_images(model, processor, [image.read()])[0].double()
        scores = [float(embedding @ text) for text in classes]
        rank = sum(score >= scores[label] for score in scores) - 1
        assert outcomes["top1"].values[i] == (rank < 1) and outcomes["top5"].values[i] == (rank < 5)


def test_groups_and_counts_are_those_of_the_files(specs, model, processor):
    groups = {}
    for name, spec in specs.items():
        for task in load_benchmark(spec):
            results = summarize_outcomes(task.run(Encoder(model, processor)).scores)
            groups[name, task.name] = {g: next(iter(scores.values()))["n"] for g, scores in results.items()}
    assert groups["sugarcrepe", "sugarcrepe"]["macro"] == 30 and groups["sugarcrepe", "sugarcrepe"]["swap_att"] == 6
    assert groups["sugarcrepe", "sugarcrepe_add"] == {"add_obj": 6, "add_att": 6, "macro": 12}
    assert groups["aro", "aro_attribution"] == {"red_blue": 26}
    assert groups["aro", "aro_relation"] == {"on": 15, "behind": 15, "macro": 30}
    assert groups["svo_probes", "svo_probes"] == {"subject": 4, "verb": 4, "object": 4, "macro": 12}
    assert groups["coco", "coco"] == {"15 images": 15}
    assert groups["inpaintcoco, the original", "inpaintcoco"] == {
        "object": 3,
        "color": 3,
        "size": 2,
        "macro": 8,
        "all": 8,
    }
    assert groups["whatsup", "whatsup"]["controlled_a"] == 8 and groups["whatsup", "whatsup"]["vg_two"] == 6


def test_what_is_left_out_is_counted_by_reason(specs):
    skipped = {}
    for name, spec in specs.items():
        for task in load_benchmark(spec):
            skipped[name, task.name] = dict(sum(task.skipped.values(), Counter()))
    assert skipped["inpaintcoco, the original", "inpaintcoco"] == {"the caption is empty": 1}
    assert skipped["aro", "aro_attribution"] == {"fewer than 25 items have these attributes": 4}
    assert skipped["svo_probes", "svo_probes"] == {"not exactly one of subject, verb and object differs": 1}
    assert skipped["vl_checklist", "vl_checklist_relation"] == {"the photos of this source are missing": 1}
    assert skipped["vl_checklist", "vl_checklist_object"] == {"the authors' file is empty": 1}
    assert sum(map(len, skipped.values())) == 5


def test_missing_and_broken_images_and_empty_captions_are_counted_not_dropped_in_silence(tmp_path, model, processor):
    spec = make_benchmark("sugarcrepe", tmp_path)
    (tmp_path / "val2017" / f"{1000:012}.png").unlink()
    (tmp_path / "val2017" / f"{1001:012}.png").write_bytes(b"no image")
    Image.new("RGB", (4, 4)).save(tmp_path / "val2017" / f"{1002:012}.png")
    rows = json.loads((tmp_path / "data" / "swap_att.json").read_text())
    rows["5"]["negative_caption"] = "  "
    write_json(tmp_path / "data" / "swap_att.json", rows)
    task = load_benchmark(spec)[0]
    found = task.run(Encoder(model, processor))
    total = sum(found.skipped.values(), Counter())
    assert set(total) == {
        "the image is missing",
        "the image cannot be read",
        "the image is under 8 pixels a side",
        "the caption is empty",
    }
    n = len(found.scores["image_to_text"].values)
    assert n + sum(total.values()) == 30 and n == len(found.items)


def test_the_command_reports_skips_and_every_item(tmp_path, start, capsys):
    import pyarrow.parquet as pq

    spec = make_benchmark("sugarcrepe", tmp_path / "data")
    (tmp_path / "data" / "val2017" / f"{1000:012}.png").write_bytes(b"no image")
    table = evaluate_to_folder(
        [f"twice={start},{start}"], [spec, "inpaintcoco=" + _pairs(tmp_path)], start, tmp_path / "out"
    )
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["schema"] == "hf_hardneg.evaluation/1" and metrics["versions"]["transformers"]
    assert list(metrics["models"]) == [start, "twice"] and metrics["control"] == start
    skipped = metrics["benchmarks"]["sugarcrepe"]["skipped"]
    assert sum(counts["the image cannot be read"] for counts in skipped.values()) == 6
    of_model = metrics["results"]["twice"]["sugarcrepe"]
    assert of_model["macro"]["image_to_text"]["n"] + of_model["macro"]["image_to_text"]["skipped"] == 30
    assert metrics["results"][start]["sugarcrepe"]["macro"]["image_to_text"]["value"] == pytest.approx(
        of_model["macro"]["image_to_text"]["value"]
    )
    difference = metrics["differences"]["twice"]["inpaintcoco"]["macro"]["group"]
    assert difference["value"] == 0 and difference["mark"] == "" and difference["p"] == 1
    items = pq.read_table(tmp_path / "out" / "items.parquet").to_pylist()
    rows = [item for item in items if item["task"] == "inpaintcoco" and item["model"] == start]
    assert len(rows) == 12 and len(rows[0]["images"]) == len(rows[0]["texts"]) == 2 and len(rows[0]["scores"]) == 4
    values = [row["outcomes"]["group"] for row in rows if row["group"] == "color"]
    assert 100 * np.mean(values) == metrics["results"][start]["inpaintcoco"]["color"]["group"]["value"]
    assert table in (tmp_path / "out" / "table.md").read_text() and "(control)" in table and "chance" in table


def _pairs(folder):
    make_benchmark("inpaintcoco", folder / "pairs")
    return str(folder / "pairs")


def test_one_model_runs_on_all_fixtures_without_a_network(specs, start, tmp_path, monkeypatch):
    def forbid(*args, **kwargs):
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket, "getaddrinfo", forbid)
    monkeypatch.setattr(socket.socket, "connect", forbid)
    names = [name for name in FIXTURES if "," not in name]
    evaluate_to_folder([start], [specs[name] for name in names], None, tmp_path / "out")
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert len(metrics["benchmarks"]) == len(names) + 4  # sugarcrepe and aro have two tasks, vl_checklist three
    assert all(task["fingerprint"] for task in metrics["benchmarks"].values())


@pytest.mark.parametrize("name", [name for name in benchmark_names() if name != "scenes"])
def test_absent_files_say_what_to_download_and_where_to_put_it(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=rf"data/{name}.*{name}=FOLDER.*data/{name}"):
        load_benchmark(name)
    (tmp_path / "empty").mkdir()
    with pytest.raises((FileNotFoundError, ValueError)) as caught:
        load_benchmark(f"{name}={tmp_path / 'empty'}")
    assert str(tmp_path / "empty") in str(caught.value)
    assert isinstance(caught.value, FileNotFoundError) and ("http" in str(caught.value) or "Hub" in str(caught.value))


def test_an_unknown_benchmark_names_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'sugarcrepe'"):
        load_benchmark("sugarcrep")


def test_files_that_disagree_or_are_broken_are_errors(tmp_path):
    hard = make_benchmark("hard_positives", tmp_path / "hard")
    file = tmp_path / "hard" / "swapped_data" / "vl_checklist_relations.json"
    rows = json.loads(file.read_text())
    rows[3]["image_path"] = "data/VG_100K/4.jpg"
    write_json(file, rows)
    with pytest.raises(ValueError, match="disagree about item 3"):
        load_benchmark(hard)
    write_json(file, rows[:-1])
    with pytest.raises(ValueError, match="has 8 items.*7"):
        load_benchmark(hard)
    split = make_benchmark("coco", tmp_path / "coco")
    file = tmp_path / "coco" / "dataset_coco.json"
    data = json.loads(file.read_text())
    data["images"][2]["sentences"][1]["imgid"] = 77
    write_json(file, data)
    with pytest.raises(ValueError, match=r"disagrees about COCO_val2014_0+2\.jpg"):
        load_benchmark(split)
    sugar = make_benchmark("sugarcrepe", tmp_path / "sugar")
    write_json(tmp_path / "sugar" / "data" / "swap_obj.json", {})
    with pytest.raises(ValueError, match="has no items"):
        load_benchmark(sugar)
    write_json(tmp_path / "sugar" / "data" / "swap_obj.json", {"0": {"filename": "1.jpg", "caption": "a"}})
    with pytest.raises(ValueError, match="negative_caption"):
        load_benchmark(sugar)
    (tmp_path / "sugar" / "data" / "swap_obj.json").write_text("{")
    with pytest.raises(ValueError, match="not valid JSON"):
        load_benchmark(sugar)


def test_photos_that_are_all_missing_are_an_error_that_says_where_it_looked(tmp_path):
    spec = make_benchmark("sugarcrepe", tmp_path)
    shutil.rmtree(tmp_path / "val2017")
    (tmp_path / "val2017").mkdir()
    with pytest.raises(ValueError, match=r"no item that can be used.*30 \(the image is missing\).*val2017"):
        load_benchmark(spec)


def test_wordnet_folders_need_class_names(tmp_path):
    for name in ("n01440764", "n01443537"):
        save(tmp_path / name, "1.png", 1)
    with pytest.raises(ValueError, match="WordNet ids"):
        load_benchmark(f"zero_shot={tmp_path}")
    write_json(tmp_path / "classes.json", {"n01440764": "tench", "n01443537": "goldfish"})
    (task,) = load_benchmark(f"zero_shot={tmp_path}")
    assert task.classes == ["tench", "goldfish"]


def test_retrieval_reads_cocos_official_layout(coco, model, processor):
    edit_captions(coco, lambda data: data["annotations"][0].update(caption=" "))
    (task,) = load_benchmark(f"coco={coco}")
    assert len(task) == 12 and sum(map(len, task.captions.values())) == 59
    assert sum(task.skipped.values(), Counter()) == {"the caption is empty": 1}
    assert set(mean_scores(task.run(Encoder(model, processor)).scores)) == {"12 images", "macro"}


def test_a_model_without_a_processor_is_named(start, tmp_path):
    for name in ("processor_config.json", "tokenizer.json", "tokenizer_config.json", "preprocessor_config.json"):
        (tmp_path / "start" / name).unlink(missing_ok=True)
    with pytest.raises(ValueError, match="processor"):
        evaluate_to_folder([start], ["scenes"], None, tmp_path / "out")


def test_two_models_of_one_name_are_refused(start, tmp_path):
    with pytest.raises(ValueError, match="Two models are called"):
        evaluate_to_folder([f"a={start}", f"a={start}"], ["scenes"], None, tmp_path / "out")
