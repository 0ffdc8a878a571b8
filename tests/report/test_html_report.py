"""The page of an evaluation: what it says is what was measured, and it works in a real browser."""

import json
import re
import shutil
from collections import Counter
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from helpers.benchmark_fixtures import make_benchmark
from PIL import Image

from hf_hardneg.cli import main
from hf_hardneg.data.lazy_images import ImageFile
from hf_hardneg.evaluation.choice_scores import choice_outcomes
from hf_hardneg.evaluation.evaluate import load_tasks
from hf_hardneg.evaluation.tasks import ONE_TRUE_TEXT, ChoiceTask
from hf_hardneg.evaluation.weight_interpolation import RETENTION_TASKS, main_score
from hf_hardneg.evaluation.wrong_image import CONTROLS, GAINS
from hf_hardneg.model.encoding import load_encoder
from hf_hardneg.report.charts import Series, draw_interval, draw_plane
from hf_hardneg.report.html_report import Extras, build_html_report, write_html_report
from hf_hardneg.report.mistakes import (
    ANY,
    SAMPLE_SIZE,
    Choices,
    are_wrong,
    count_mistakes,
    mark_cells,
    mark_texts,
    sample_mistakes,
)
from hf_hardneg.report.score_rows import main_value
from hf_hardneg.report.thumbnails import IMAGES_FILE as PICTURES
from hf_hardneg.report.thumbnails import MAX_BYTES, make_thumbnail, make_thumbnails
from hf_hardneg.report.training_curves import Run, draw_training
from hf_hardneg.training.make_start_model import build_model


EVIL = (
    """</script><script>window.hacked = 1</script><img src="http://evil.example/x" onerror="a()"> {{ 7 * 7 }} ' "&"""
)
NAME = '<i>tuned</i> & "co" ' + "a_long_name_without_a_place_to_break" * 2
BENCHMARKS = (
    "winoground",
    "inpaintcoco, the original",
    "sugarcrepe",
    "svo_probes",
    "hard_positives",
    "coco",
    "zero_shot",
)


@pytest.fixture(scope="module")
def models(processor, tmp_path_factory):
    """Two tiny random models, the second with a trainer's log."""
    folder = tmp_path_factory.mktemp("models")
    for seed, name in enumerate(("control", "tuned")):
        build_model(processor.tokenizer, seed=seed, num_hidden_layers=1).save_pretrained(folder / name)
        processor.save_pretrained(folder / name)
    log = [{"step": s, "epoch": s / 10, "loss": 1 / s, "grad_norm": float("nan")} for s in range(1, 1001)]
    log += [{"step": 500, "eval_loss": 0.4, "eval_group_macro": 12.5, "eval_runtime": 3.0}]
    checkpoint = folder / "tuned" / "checkpoint-1000"
    checkpoint.mkdir()
    (checkpoint / "trainer_state.json").write_text(json.dumps({"log_history": log}))
    return folder


@pytest.fixture(scope="module")
def out(models, tmp_path_factory):
    """An evaluation of many forms, with one caption that is HTML; its photos are deleted after it."""
    data, folder = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("evaluation")
    specs = [make_benchmark(name, data / name.split(",")[0]) for name in BENCHMARKS]
    file = data / "winoground" / "data" / "examples.jsonl"
    lines = [json.loads(line) | {"caption_1": f"{EVIL} {i}"} for i, line in enumerate(file.read_text().splitlines())]
    file.write_text("\n".join(map(json.dumps, lines)))
    argv = [
        "evaluate",
        f"{NAME}={models / 'tuned'}",
        "--control",
        f"plain={models / 'control'}",
        "--benchmarks",
        *specs,
    ]
    main([*argv, "--out", str(folder)])
    shutil.rmtree(data)
    return folder


class Page(HTMLParser):
    """Rows of scores, wrong items, ids and addresses of a page."""

    def __init__(self, file):
        super().__init__()
        self.rows, self.items, self.addresses, self.tags, self.texts = [], [], [], Counter(), []
        self._row = None
        self.feed(Path(file).read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags[tag] += 1
        self.addresses += [
            value for name, value in attrs.items() if name in ("src", "href", "srcset", "action", "data")
        ]
        assert not any(name.startswith("on") for name in attrs)
        if tag == "tr":
            self._row = ({k[5:]: v for k, v in attrs.items()}, []) if "data-score" in attrs else None
            self.rows += [self._row] if self._row else []
        if tag == "article":
            wrong = json.loads(attrs["data-wrong"])
            self.items.append(
                {k: attrs[f"data-{k}"] for k in ("task", "group", "item")} | {"wrong": wrong, "cells": []}
            )
        if tag == "table" and attrs.get("class") == "matrix":
            self.items[-1]["cells"].append([])
        if tag == "td" and "data-score" in attrs:
            self.items[-1]["cells"][-1].append((float(attrs["data-score"]), attrs.get("class") or ""))

    def handle_data(self, data):
        if self._row:
            self._row[1].append(data)
        self.texts.append(data)


@pytest.fixture(scope="module")
def page(out):
    return Page(out / "report.html")


@pytest.fixture(scope="module")
def metrics(out):
    return json.loads((out / "metrics.json").read_text())


def test_all_numbers_are_those_of_metrics_json(page, metrics):
    shown = set()
    for where, texts in page.rows:
        task, group, score, model = (where[name] for name in ("task", "group", "score", "model"))
        value = metrics["results"][model][task][group][score]
        text = " ".join(texts)
        assert f"{value['value']:.1f}" in text and f"[{value['low']:.1f}, {value['high']:.1f}]" in text
        if model == NAME:
            difference = metrics["differences"][model][task][group][score]
            assert f"{difference['value']:+.1f} {difference['mark'] or 'within interval'}" in text
        shown.add((task, group, score, model))
        scores = metrics["results"][model][task][group]
        for wrong, gain in zip(CONTROLS, GAINS, strict=True):  # they stand beside their score
            if score + wrong in scores:
                added = scores[score + gain]
                interval = f"{added['value']:+.1f} [{added['low']:+.1f}, {added['high']:+.1f}]"
                assert f"{scores[score + wrong]['value']:.1f}, by" in text and interval in text
                shown |= {(task, group, score + ending, model) for ending in (wrong, gain)}
    every = {
        (task, group, score, model)
        for model, tasks in metrics["results"].items()
        for task, groups in tasks.items()
        for group, scores in groups.items()
        for score in scores
    }
    assert shown == every and len(every) > 100
    for name in (NAME, *metrics["benchmarks"], *metrics["versions"].values()):
        assert any(name in text for text in page.texts)


def test_what_was_skipped_stands_at_the_top(page, metrics):
    reasons = [r for facts in metrics["benchmarks"].values() for g in facts["skipped"].values() for r in g]
    assert len(reasons) >= 2 and all(any(reason in text for text in page.texts) for reason in reasons)


def items_by_key(out):
    rows = pq.read_table(out / "items.parquet").to_pylist()
    return {(r["model"], r["task"], r["item"]): r for r in rows if r["scores"] is not None}


def test_items_that_are_listed_are_wrong_and_their_scores_say_so(page, metrics, out):
    rows, models = items_by_key(out), list(metrics["models"])
    assert len(page.items) > 40 and len({item["task"] for item in page.items}) == 5 + 1  # sugarcrepe has two
    for item in page.items:
        assert any(item["wrong"].values())
        belongs = np.array(metrics["benchmarks"][item["task"]]["belongs"], dtype=bool)
        for model, cells in zip(models, item["cells"], strict=True):
            row = rows[model, item["task"], item["item"]]
            scores = np.array([score for score, _ in cells], dtype=np.float32)
            np.testing.assert_array_equal(scores, np.array(row["scores"], dtype=np.float32))
            found = choice_outcomes(scores.reshape(1, *belongs.shape), belongs)
            wrong = {name for name, values in found.items() if are_wrong(name, values)[0]}
            assert wrong == set(item["wrong"][model]) - {"text_to_text"}
            beaten = wrong & {"image_to_text", "text_to_image"}
            assert bool(beaten) == any(kind == "wins" for _, kind in cells)
            assert [kind == "true" for _, kind in cells] == belongs.ravel().tolist()


def test_counts_are_of_all_items(out, metrics):
    text = (out / "report.html").read_text()
    counts = json.loads(re.search(r'id="counts">(.*?)</script>', text, re.DOTALL).group(1))
    rows = items_by_key(out)
    for (model, task, item), row in rows.items():
        groups = counts[task][model]
        for name, value in row["outcomes"].items():
            if value is None:
                continue
            ours, theirs = (are_wrong(name, np.float64(r["outcomes"][name])) for r in (row, rows["plain", task, item]))
            kinds = (ours, ours and not theirs, theirs and not ours)
            groups[row["group"]][name] = [n - int(k) for n, k in zip(groups[row["group"]][name], kinds, strict=True)]
        groups[row["group"]][ANY][0] -= any(
            are_wrong(name, np.float64(value)) for name, value in row["outcomes"].items() if value is not None
        )
    left = [n for t in counts.values() for m in t.values() for g in m.values() for k, n in g.items() if k != ANY]
    assert all(n == [0, 0, 0] for n in left) and len(left) > 50
    assert all(g[ANY][0] == 0 for t in counts.values() for m in t.values() for g in m.values())


def test_captions_are_other_peoples_text_and_stay_text(page, out):
    text = (out / "report.html").read_text()
    assert "window.hacked" not in text.replace("&lt;script&gt;window.hacked", "") and "{{ 7 * 7 }}" in "".join(
        page.texts
    )
    assert page.tags["script"] == 2 and page.tags["i"] == 0 and page.tags["img"] > 40
    assert any("evil.example" in text for text in page.texts)


def test_the_page_asks_for_nothing(page, out):
    assert page.addresses and all(address.startswith(("data:", "#")) for address in page.addresses)
    text = (out / "report.html").read_text()
    assert "url(" not in text and "@import" not in text and "default-src 'none'" in text
    assert len(text) < 6e6


def test_it_is_made_again_without_the_photos(out, tmp_path):
    shutil.copytree(out, tmp_path / "copy")
    before = (out / "report.html").read_bytes()
    (tmp_path / "copy" / "report.html").unlink()
    main(["report", str(tmp_path / "copy")])
    assert (tmp_path / "copy" / "report.html").read_bytes() == before


def test_the_bounds_are_those_that_the_documentation_and_the_page_name(page):
    text = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text()
    assert f"up to {SAMPLE_SIZE} items" in text and 2 * SAMPLE_SIZE * MAX_BYTES * 4 / 3 < 6e6
    assert "6 MB of the page at most" in text and any("6 MB together at most" in shown for shown in page.texts)


def test_missing_pictures_are_said(out, tmp_path):
    shutil.copytree(out, tmp_path / "copy")
    (tmp_path / "copy" / PICTURES).unlink()
    page = Page(write_html_report(tmp_path / "copy"))
    assert page.tags["img"] == 0 and len(page.items) > 40
    assert any(re.fullmatch(r"\d+ pictures were not there when this page was made\.", text) for text in page.texts)
    assert any("not there when this page was made: images/ex_" in text for text in page.texts)


CURVE = {
    "schema": "hf_hardneg.interpolation/1",
    "start": "START",
    "tuned": "TUNED",
    "alphas": [0.0, 0.5, 1.0],
    "chosen": 0.5,
    "gain_tasks": ["winoground"],
    "retention_tasks": ["coco", "zero_shot"],
    "test": {"gain": [10.0, 20.0, 25.0], "retention": [50.0, 49.0, 30.0]},
}


def test_the_plot_takes_the_curve_and_its_tasks(out, metrics, models, tmp_path):
    shutil.copytree(out, tmp_path / "copy")
    (tmp_path / "mixed").mkdir()
    start = CURVE | {"start": str(models / "control")}
    (tmp_path / "mixed" / "curve.json").write_text(json.dumps(start))
    text = write_html_report(tmp_path / "copy", [tmp_path / "mixed"]).read_text()
    section = text[text.index('id="forgetting"') : text.index('id="groups"')]
    assert "the ring is alpha 0.5" in section and "relative to plain" in section and 'class="ring"' in section
    results = metrics["results"][NAME]
    gain = results["winoground"]["macro"]["group"]["value"]
    recalls = results["coco"]["15 images"]
    recall = (recalls["image_to_text_R@1"]["value"] + recalls["text_to_image_R@1"]["value"]) / 2
    retention = (recall + results["zero_shot"]["all"]["top1"]["value"]) / 2
    assert f">{gain:.1f}<" in section and f">{retention:.1f}<" in section
    (tmp_path / "mixed" / "curve.json").write_text(json.dumps(CURVE | {"gain_tasks": ["aro"]}))
    text = write_html_report(tmp_path / "copy", [tmp_path / "mixed"]).read_text()
    assert "curve is left out: it measured aro" in text and 'class="ring"' not in text


def test_training_curves_are_found_with_the_model_and_in_named_folders(out, page, tmp_path):
    assert "training loss" in page.texts and f"at the end: {NAME} 0.001" in page.texts
    assert "grad norm" not in page.texts  # it was never finite
    (tmp_path / "run").mkdir()
    with pytest.raises(SystemExit, match="neither curve.json"):
        main(["report", str(out), str(tmp_path / "run")])
    shutil.copytree(out, tmp_path / "copy")
    (tmp_path / "run" / "trainer_state.json").write_text(json.dumps({"log_history": [{"step": 1, "loss": 3.25}]}))
    main(["report", str(tmp_path / "copy"), str(tmp_path / "run")])
    assert any("run 3.25" in text for text in Page(tmp_path / "copy" / "report.html").texts)
    (tmp_path / "run" / "trainer_state.json").write_text("[]")
    with pytest.raises(SystemExit, match="trainer_state.json is \\[\\]; it must be an object"):
        main(["report", str(tmp_path / "copy"), str(tmp_path / "run")])


def test_the_accuracy_stands_before_those_of_concepts_with_its_control_beside_it():
    log = [{"step": 1, **dict.fromkeys(("eval_accuracy_color", "eval_accuracy_by_looking", "eval_loss"), 1.0)}]
    log[0] |= dict.fromkeys(("eval_accuracy_wrong_image", "eval_accuracy_action", "eval_accuracy"), 1.0)
    titles = [chart["title"] for chart in draw_training([Run("run", 0, log)])["charts"]]
    means = ["accuracy", "accuracy by looking", "accuracy wrong image"]
    assert titles == ["loss on held-out rows", *means, "accuracy action", "accuracy color"]


def test_a_folder_of_something_else_is_named(out, tmp_path):
    with pytest.raises(SystemExit, match="There is no .*metrics.json; write it by"):
        main(["report", str(tmp_path)])
    (tmp_path / "metrics.json").write_text('{"results": {}}')
    with pytest.raises(SystemExit, match="not that of an evaluation"):
        main(["report", str(tmp_path)])
    shutil.copytree(out, tmp_path / "copy")
    rows = pq.read_table(tmp_path / "copy" / "items.parquet")
    pq.write_table(rows.slice(1), tmp_path / "copy" / "items.parquet")
    with pytest.raises(SystemExit, match="of another run"):
        main(["report", str(tmp_path / "copy")])


def test_a_page_of_retrieval_alone_says_what_is_missing(models, tmp_path):
    spec = make_benchmark("coco", tmp_path / "coco")
    main(["evaluate", str(models / "tuned"), "--benchmarks", spec, "--out", str(tmp_path / "out")])
    page = Page(tmp_path / "out" / "report.html")
    assert not page.items and "No item was skipped." in page.texts
    assert any("coco (15 images)" in text for text in page.texts) and any("split test" in text for text in page.texts)
    assert any("no plot of gain against forgetting" in text for text in page.texts)
    assert any("no pairs to show" in text for text in page.texts)


@pytest.fixture(scope="module")
def seeds(models, tmp_path_factory):
    """One model of two seeds, without a control."""
    folder = tmp_path_factory.mktemp("seeds")
    spec = make_benchmark("winoground", folder / "winoground")
    argv = ["evaluate", f"both={models / 'tuned'},{models / 'control'}", "--benchmarks", spec]
    main([*argv, "--out", str(folder / "out")])
    return folder / "out"


def test_several_seeds_are_told_and_the_first_is_shown(seeds):
    page = Page(seeds / "report.html")
    assert page.items and any("Of several seeds the first is shown" in text for text in page.texts)
    rows = pq.read_table(seeds / "items.parquet").to_pylist()
    first = {row["item"]: row["scores"] for row in rows if row["seed"] == 0}
    for item in page.items:
        assert [score for score, _ in item["cells"][0]] == pytest.approx(first[item["item"]])


# Parts.


def two_models(groups, model, control):
    wrong = {"control": {ANY: np.array(control)}, "model": {ANY: np.array(model)}}
    return Choices(np.array(groups), wrong, {})


def test_rare_kinds_are_in_the_sample_and_it_is_bounded_and_fixed_by_its_seed():
    n = 7511
    model, control = np.ones(n, dtype=bool), np.ones(n, dtype=bool)
    model[17], control[4000] = False, False  # one item that only one of them gets wrong, each
    tasks = {
        "large": two_models(["a"] * (n - 1) + ["b"], model, control),
        "small": two_models(["c"] * 3, [True, False, False], [False, False, True]),
    }
    sample = sample_mistakes(tasks)
    assert len(sample) == len(set(sample)) == SAMPLE_SIZE and sample == sample_mistakes(tasks)
    assert {("large", 17), ("large", 4000), ("large", n - 1), ("small", 0), ("small", 2)} <= set(sample[:12])
    assert ("small", 1) not in sample and sample != sample_mistakes(tasks, seed=1)


def test_counts_with_and_without_a_control():
    choices = two_models(["a", "a", "b"], [True, False, True], [False, True, True])
    assert count_mistakes(choices, "control")["model"] == {"a": {ANY: [1, 1, 1]}, "b": {ANY: [1, 0, 0]}}
    assert count_mistakes(choices, None)["model"] == {"a": {ANY: [1, 0, 0]}, "b": {ANY: [1, 0, 0]}}


def test_a_false_cell_is_marked_where_it_is_at_or_above_a_true_one_of_its_row_or_column():
    cells = mark_cells(np.array([[0.5, 0.5], [0.4, 0.6]]), np.eye(2, dtype=bool))
    assert [(c["image"], c["text"]) for row in cells for c in row] == [
        (False, False), (True, False), (False, False), (False, False)  # a tie is wrong
    ]  # fmt: skip
    (row,) = mark_cells(np.array([[0.5, 0.3, 0.4]]), np.array([[True, True, False]]))
    assert [c["image"] for c in row] == [False, False, True] and not any(c["text"] for c in row)
    column = mark_cells(np.array([[0.1], [0.2]]), np.array([[True], [False]]))
    assert [(c["image"], c["text"]) for (c,) in column] == [(False, False), (False, True)]


def test_changed_words_are_marked_and_nothing_is_lost():
    texts = ["A dog left of a cat.", "A cat left of a dog!", "  A  dog.  "]
    marked = mark_texts(texts)
    assert ["".join(part for part, _ in text) for text in marked] == texts
    assert [part for part, changed in marked[1] if changed] == ["cat", "dog!"]
    (long, _) = mark_texts(["word " * 10_000, "other " * 10_000])
    assert sum(len(part) for part, _ in long) == 501
    assert mark_texts(["alone"]) == [[("alone", False)]]
    assert all(not changed for text in mark_texts(["same", "same"]) for _, changed in text)


def test_pictures_are_small_whatever_they_show():
    noise = np.random.default_rng(0).integers(0, 255, (900, 1300, 3), dtype=np.uint8)
    for image in (Image.fromarray(noise), Image.new("L", (3000, 20)), Image.new("RGB", (48, 48), "red")):
        assert len(make_thumbnail(image)) <= MAX_BYTES


def test_no_picture_rather_than_another_of_the_same_name(tmp_path):
    task = ChoiceTask("task", ONE_TRUE_TEXT)
    for i, name in enumerate(("a/x/1.png", "b/x/1.png", "a/x/2.png", "a/x/3.png")):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 40), (60 * i, 0, 0)).save(file)
        task.add("group", name, [ImageFile(file)], ["true", "false"])
    (tmp_path / "a/x/3.png").unlink()
    names = [("task", f"x/{i}.png") for i in (1, 2, 3)]
    made = make_thumbnails({"task": task}, names)
    assert list(made) == [("task", "x/2.png")]
    assert Image.open(BytesIO(made["task", "x/2.png"])).getpixel((9, 9))[0] == pytest.approx(120, abs=4)


def test_many_groups_are_folded_and_only_the_main_score_has_all_of_them(metrics):
    many = json.loads(json.dumps(metrics))
    for tables in (many["results"], many["differences"]):
        for tasks in tables.values():
            groups = tasks["winoground"]
            tasks["winoground"] = {f"group {i}": groups["Object"] for i in range(30)} | {"macro": groups["macro"]}
    page = build_html_report(many, [], {"winoground": {}}, {}, Extras())
    section = page[page.index('id="panel-winoground"') : page.index('id="panel-inpaintcoco"')]
    assert "<details><summary>group, 31 groups</summary>" in section
    rows = Counter(re.findall(r'data-score="(\w+)"', section))
    assert rows["group"] == 2 * 31 and rows["text"] == rows["image_to_text"] == 2
    assert "No model gets a single item wrong." in page


def test_marks_stand_where_the_numbers_say_and_names_are_escaped():
    svg = draw_interval({"value": 52.7, "low": 47.3, "high": 58.0, "chance": 100 / 6}, 7)
    assert 'x1="47.30%" x2="58.00%"' in svg and '<svg x="52.70%"' in svg and 'x1="16.67%"' in svg and "c1" in svg
    chart = draw_plane(
        [Series("<b>", 0, [(1.0, 2.0)]), Series("", None, [(0, 0), (9, 9)], line=True, ring=1)], "&", "y", '"'
    )
    assert "<b>" not in chart and "&lt;b&gt;" in chart and 'aria-label="&#34;"' in chart and chart.count("ring") == 1
    assert "nan" not in draw_plane([Series("", 0, [(5, 0.0)])], "x", "y", "one point")


def test_the_main_score_is_that_of_interpolation(models, tmp_path):
    specs = [make_benchmark(name, tmp_path / name) for name in ("winoground", "svo_probes", "coco", "zero_shot")]
    path = str(models / "tuned")
    main(["evaluate", path, "--benchmarks", *specs, "--out", str(tmp_path / "out")])
    metrics, encoder = json.loads((tmp_path / "out" / "metrics.json").read_text()), load_encoder(path)
    for name, task in load_tasks(specs)[0].items():
        assert main_value(metrics, path, name) == pytest.approx(main_score(task, encoder))
        assert bool(metrics["benchmarks"][name]["belongs"]) != isinstance(task, RETENTION_TASKS)


# In a browser.


@pytest.fixture
def open_page(browser):
    """Opens a file; at the end nothing was asked for beside it, and nothing was complained about."""
    said, asked, contexts = [], [], []

    def open_file(file, width=1280, scheme="light"):
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme, offline=True)
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("dialog", lambda dialog: said.append(dialog.message))
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto(f"file://{file}")
        return tab

    yield open_file
    for context in contexts:
        context.close()
    assert said == []
    assert all(url.startswith(("file://", "data:")) for url in asked)
    assert len({url for url in asked if url.startswith("file://")}) == 1


LOW_CONTRAST = """() => {
  const rgb = text => text.match(/[0-9.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const behind = e => {
    const color = rgb(getComputedStyle(e).backgroundColor);
    return color[3] === 0 ? behind(e.parentElement) : color;
  };
  const bad = [];
  for (const e of document.querySelectorAll("body *")) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!own || !e.checkVisibility() || ["SCRIPT", "STYLE"].includes(e.tagName)) continue;
    const style = getComputedStyle(e), inSvg = e instanceof SVGElement;
    const box = inSvg ? e.closest("td, th, figure, div") : e;
    const [a, b] = [light(rgb(inSvg ? style.fill : style.color)), light(behind(box))];
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < 4.5) bad.push([e.tagName, e.className, e.textContent.slice(0, 30), ratio]);
  }
  return bad;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_is_readable_and_quiet(open_page, out, width, scheme):
    tab = open_page(out / "report.html", width, scheme)
    tab.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.evaluate("window.hacked") is None
    assert tab.evaluate(LOW_CONTRAST) == []
    background = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (int(re.findall(r"\d+", background)[0]) > 128) == (scheme == "light")
    tab.locator("article.mistake:visible").first.scroll_into_view_if_needed()
    picture = tab.locator("article.mistake:visible img").first
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 20


def shown(tab):
    return tab.locator("article.mistake:not([hidden])").evaluate_all(
        "cards => cards.map(c => ({task: c.dataset.task, group: c.dataset.group, wrong: JSON.parse(c.dataset.wrong)}))"
    )


def press_to(tab, name, option):
    """Reach a filter by the tab key alone and choose by typing."""
    for _ in range(200):
        if tab.evaluate("document.activeElement.id") == name:
            break
        tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.id") == name
    tab.keyboard.type(option)
    chosen = tab.evaluate("document.activeElement.selectedOptions[0].textContent")
    assert chosen.startswith(option)


def test_filters_work_by_keyboard(open_page, out, page, metrics):
    tab = open_page(out / "report.html")
    status = tab.locator("#status").inner_text
    assert all(item["wrong"][NAME] for item in shown(tab))
    press_to(tab, "by-kind", "model right")
    assert shown(tab) and all(not i["wrong"][NAME] and i["wrong"]["plain"] for i in shown(tab))
    press_to(tab, "by-task", "sugarcrepe")
    assert shown(tab) and {item["task"] for item in shown(tab)} == {"sugarcrepe"}
    counts = json.loads(tab.locator("#counts").text_content())
    total = sum(by_score[ANY][2] for by_score in counts["sugarcrepe"][NAME].values())
    assert f"{total} such items in all" in status()
    assert tab.locator("#by-group option").all_text_contents()[1:] == sorted(counts["sugarcrepe"][NAME])
    press_to(tab, "by-group", "swap_att")
    assert {item["group"] for item in shown(tab)} <= {"swap_att"}
    tab.reload()
    press_to(tab, "by-task", "winoground")
    press_to(tab, "by-score", "image →")
    assert shown(tab) and all("image_to_text" in item["wrong"][NAME] for item in shown(tab))


def test_more_are_shown_on_demand_and_the_focus_goes_on(open_page, out, page):
    tab = open_page(out / "report.html")
    first = len(shown(tab))
    fitting = sum(bool(item["wrong"][NAME]) for item in page.items)
    assert first == 12 < fitting and f"Showing 12 of {fitting}" in tab.locator("#status").inner_text()
    tab.locator("#more").focus()
    tab.keyboard.press("Enter")
    assert len(shown(tab)) == min(24, fitting)
    assert tab.evaluate("document.activeElement.tagName") == "ARTICLE"


def test_without_a_control_there_is_nothing_to_compare(open_page, seeds):
    tab = open_page(seeds / "report.html", 390)
    assert tab.locator("#by-kind").count() == 0 and tab.locator(".difference").count() == 0
    assert shown(tab) and all(item["wrong"]["both"] for item in shown(tab))
    press_to(tab, "by-score", "group")
    assert shown(tab) and all("group" in item["wrong"]["both"] for item in shown(tab))


def test_without_scripts_and_on_paper_all_is_there(browser, out, page):
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(f"file://{out / 'report.html'}")
    assert tab.locator("article.mistake:visible").count() == len(page.items)
    assert tab.locator("#filters:visible").count() == 0
    context.close()
