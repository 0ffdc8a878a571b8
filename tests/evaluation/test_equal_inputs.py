"""Inputs that a model cannot tell apart tie, whatever the rounding; an independent scorer says what is right.

The scorer here shares no code with the package: it tokenizes each text by itself, runs the model on one text and one
image at a time, and asks for ties by comparing token ids and pixels, in loops.
"""

import itertools
import json
import random
from functools import cache

import numpy as np
import pytest
import torch
from helpers.models import small_siglip
from helpers.slow_choices import slow_choice
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from hf_hardneg.data.lazy_images import ImageFile
from hf_hardneg.evaluation.classification import ClassificationTask
from hf_hardneg.evaluation.evaluate import evaluate_models
from hf_hardneg.evaluation.item_scores import score_items
from hf_hardneg.evaluation.results import summarize_outcomes
from hf_hardneg.evaluation.retrieval import RetrievalTask, retrieval_ranks
from hf_hardneg.evaluation.tasks import ONE_TRUE_IMAGE, ONE_TRUE_TEXT, PAIR, TWO_TRUE_TEXTS, ChoiceTask
from hf_hardneg.model.encoding import Encoder


# Texts of which several have equal token ids: case, spaces, and what is cut at the end of the position table.
LONG = "a red cup and a blue kite " * 20
TEXTS = ("a red cup", "A RED  cup", " a red cup ", "a blue kite", "a cup", "", LONG, LONG + "a sun", "a Blue Kite")


class SlowModel:
    """One text and one image at a time, in float64 and the model's own forward pass."""

    def __init__(self, model, processor):
        self.model, self.tokenizer, self.image_processor = model, processor.tokenizer, processor.image_processor
        self.known = {}

    @cache  # noqa: B019, the object lives as long as the test
    def ids(self, text):
        limit = self.model.config.text_config.max_position_embeddings
        return tuple(self.tokenizer([text], truncation=True, max_length=limit)["input_ids"][0])

    @cache  # noqa: B019, the object lives as long as the test
    def pixels(self, path):
        return self.image_processor([Image.open(path).convert("RGB")], return_tensors="pt")["pixel_values"]

    @torch.no_grad()
    def text(self, text):
        if text not in self.known:
            out = self.model.get_text_features(input_ids=torch.tensor([self.ids(text)])).pooler_output[0].double()
            self.known[text] = out / out.norm()
        return self.known[text]

    @torch.no_grad()
    def image(self, path):
        if path not in self.known:
            out = self.model.get_image_features(pixel_values=self.pixels(path)).pooler_output[0].double()
            self.known[path] = out / out.norm()
        return self.known[path]

    def same(self, first, second):
        """Whether two texts, or two photos, are the same to the model."""
        if isinstance(first, str):
            return self.ids(first) == self.ids(second)
        return torch.equal(self.pixels(first), self.pixels(second))

    def beats(self, image, text, other_image, other_text):
        """Whether a pair scores above another one: equal inputs never do, whatever their rounding."""
        if self.same(image, other_image) and self.same(text, other_text):
            return False
        return float(self.image(image) @ self.text(text)) > float(self.image(other_image) @ self.text(other_text))


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Six photos; 4 has the bytes of 0, and 5 its pixels in another format."""
    folder, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    pixels = [rng.integers(0, 256, (32, 32, 3), dtype=np.uint8) for _ in range(4)]
    for i, array in enumerate([*pixels, pixels[0]]):
        Image.fromarray(array).save(folder / f"{i}.png")
    Image.fromarray(pixels[0]).save(folder / "5.bmp")
    return [folder / f"{i}.png" for i in range(5)] + [folder / "5.bmp"]


@pytest.fixture(scope="module")
def encoders(processor):
    """An encoder and a slow model of the same random weights."""
    from hf_hardneg.training.make_start_model import build_model

    model = build_model(processor.tokenizer, num_hidden_layers=1).eval()
    slow = SlowModel(build_model(processor.tokenizer, num_hidden_layers=1).eval(), processor)
    slow.model.load_state_dict(model.state_dict())
    return model, slow


def slow_outcomes(slow, belongs, images, texts):
    """The outcomes of an item by `beats` alone."""
    n, m = len(images), len(texts)

    def above(i, j, a, b):
        return slow.beats(images[i], texts[j], images[a], texts[b])

    rows = [i for i in range(n) if any(belongs[i][:m]) and not all(belongs[i][:m])]
    right = [
        all(above(i, j, i, k) for j in range(m) for k in range(m) if belongs[i][j] and not belongs[i][k]) for i in rows
    ]
    columns = [j for j in range(m) if any(row[j] for row in belongs) and not all(row[j] for row in belongs)]
    down = [
        all(above(i, j, k, j) for i in range(n) for k in range(n) if belongs[i][j] and not belongs[k][j])
        for j in columns
    ]
    found = {}
    if rows:
        found["image_to_text"] = np.mean(right)
    if columns:
        found["text_to_image"] = np.mean(down)
    if rows and columns:
        found |= {"text": all(right), "image": all(down), "group": all(right) and all(down)}
    return {name: float(value) for name, value in found.items()}


@pytest.mark.parametrize("form", [ONE_TRUE_TEXT, np.array([[True, False, False, False]]), ONE_TRUE_IMAGE, PAIR])
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_choices_between_equal_texts_and_photos_equal_the_slow_scorer(form, data, photos, encoders, processor):
    model, slow = encoders
    n, m = form.shape
    texts = [text for text in TEXTS if text.strip()]
    items = data.draw(
        st.lists(
            st.tuples(
                st.lists(st.sampled_from(photos), min_size=n, max_size=n),
                st.lists(st.sampled_from(texts), min_size=min(m, 2), max_size=m if n == 1 else max(m, 1)),
            ).filter(lambda item: len(item[1]) >= (m if n > 1 else min(m, 2))),
            min_size=1,
            max_size=6,
        )
    )
    task = ChoiceTask("task", form)
    for i, (images, chosen) in enumerate(items):
        task.add("all", str(i), [ImageFile(path) for path in images], chosen)
    found = task.run(Encoder(model, processor))
    identical = 0
    for i, (images, chosen) in enumerate(items):
        expected = slow_outcomes(slow, form.tolist(), images, chosen)
        assert {name: found.scores[name].values[i] for name in expected} == pytest.approx(expected)
        identical += any(
            slow.same(chosen[j], chosen[k])
            for j, k in itertools.permutations(range(len(chosen)), 2)
            if (form[:, j] & ~form[:, k]).any()
        ) or any(
            slow.same(images[j], images[k])
            for j, k in itertools.permutations(range(n), 2)
            if (form[j, : len(chosen)] & ~form[k, : len(chosen)]).any()
        )
    assert found.identical == identical


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_retrieval_of_shared_captions_and_equal_photos_equals_the_slow_scorer(data, photos, encoders, processor):
    model, slow = encoders
    shown = data.draw(st.lists(st.sampled_from(photos), min_size=1, max_size=6))
    captions = [data.draw(st.lists(st.sampled_from(TEXTS), min_size=1, max_size=3)) for _ in shown]
    task = RetrievalTask("task")
    for i, (path, texts) in enumerate(zip(shown, captions, strict=True)):
        task.add(i, ImageFile(path), texts)
    if not len(task):
        return
    found = task.run(Encoder(model, processor))
    kept = [i for i in range(len(shown)) if any(text.strip() for text in captions[i])]
    pool = [(text, i) for i in kept for text in captions[i] if text.strip()]
    for place, i in enumerate(kept):
        own = [text for text, owner in pool if owner == i]
        others = [text for text, owner in pool if owner != i]
        rank = min(sum(not slow.beats(shown[i], text, shown[i], other) for other in others) for text in own)
        assert found.items[place]["rank"] == rank
    for place, (text, owner) in enumerate(pool, len(kept)):
        rank = sum(not slow.beats(shown[owner], text, shown[i], text) for i in kept if i != owner)
        assert found.items[place]["rank"] == rank


@pytest.mark.parametrize("names", [("red cup", "dog", "RED Cup"), ("dog", "red cup"), ("sun", "sun", "sun")])
def test_classes_of_equal_prompts_tie_and_count_as_wrong(names, photos, encoders, processor):
    model, slow = encoders
    task = ClassificationTask("task", names, templates=("a photo of a {}.", "{}"))
    for i, path in enumerate(photos):
        task.add(ImageFile(path), i % len(names))
    found = task.run(Encoder(model, processor))
    for i, path in enumerate(photos):
        label = i % len(names)
        means = [(slow.text(f"a photo of a {name}.") + slow.text(name)) / 2 for name in names]
        scores = [float(slow.image(path) @ (mean / mean.norm())) for mean in means]
        twins = [c for c in range(len(names)) if c != label and slow.same(names[c], names[label])]
        rank = sum(c in twins or scores[c] >= scores[label] for c in range(len(names)) if c != label)
        assert found.items[i]["rank"] == rank
    assert found.identical == sum(sum(slow.same(names[i % len(names)], n) for n in names) > 1 for i in range(6))


def test_equal_token_ids_give_equal_embeddings_bit_for_bit_in_any_company(model, processor):
    """Batches of other sizes and lengths round in another way, so the same text must not be computed twice."""
    for layout in ("padded", "auto"):
        encoder = Encoder(model, processor, layout)
        first = encoder.texts(["a red cup", "a dog and a cat on a kite"])
        many = encoder.texts([f"a sun and {i} cats" for i in range(40)] + ["A  red CUP"])
        assert (many[-1] == first[0]).all() and not (many[-2] == first[0]).all()


def test_equal_pixels_give_equal_embeddings_bit_for_bit(model, processor, photos):
    encoder = Encoder(model, processor)
    encoder.images([ImageFile(photos[0])])
    rows = encoder.images([ImageFile(path) for path in photos])
    assert (rows[0] == rows[4]).all() and (rows[0] == rows[5]).all() and not (rows[0] == rows[1]).all()


def test_texts_of_siglip_that_read_the_same_tie(processor, photos):
    model = small_siglip(processor.tokenizer).eval()
    task = ChoiceTask("task", ONE_TRUE_TEXT)
    for i, path in enumerate(photos):
        task.add("all", str(i), [ImageFile(path)], ["a red cup", "A red cup"])
    assert not task.run(Encoder(model, processor)).scores["image_to_text"].values.any()


def test_both_true_texts_must_be_closer_than_a_false_one_that_repeats_a_true_one(model, processor, photos):
    task = ChoiceTask("task", TWO_TRUE_TEXTS)
    task.add("all", "0", [ImageFile(photos[0])], ["a red cup", "a cup", "A Red Cup"])
    task.add("all", "1", [ImageFile(photos[0])], ["a red cup", "a cup", "A CUP"])
    task.add("all", "2", [ImageFile(photos[0])], ["a red cup", "a RED cup", "a dog"])
    found = task.run(Encoder(model, processor))
    assert found.scores["text_to_text"].values.tolist() == [0, 0, 1] and found.identical == 2


def test_results_do_not_depend_on_the_order_of_the_benchmarks(start, tmp_path):
    """Texts that differ in case alone, in two benchmarks that share photos."""
    from helpers.benchmark_fixtures import make_benchmark, write_json

    specs = [make_benchmark("sugarcrepe", tmp_path / "a"), make_benchmark("coco", tmp_path / "b")]
    rows = json.loads((tmp_path / "a" / "data" / "swap_att.json").read_text())
    for row in rows.values():
        row["negative_caption"] = row["caption"].upper()
    write_json(tmp_path / "a" / "data" / "swap_att.json", rows)
    runs = [evaluate_models([f"m={start}"], order) for order in (specs, specs[::-1])]
    items = [sorted(json.dumps(item, default=str) for item in run.items) for run in runs]
    assert items[0] == items[1]
    results = runs[0].results()["m"]["sugarcrepe"]
    assert results["swap_att"]["image_to_text"]["value"] == 0
    assert runs[0].identical == {"m": {"sugarcrepe": 6, "sugarcrepe_add": 0, "coco": 0}}


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 8), st.integers(1, 12), st.integers(1, 40), st.integers(0, 10**6))
def test_ranks_of_repeated_embeddings_are_exact_in_chunks_of_any_size(images, texts, chunk, seed):
    """Repeats are ties by identity; other pairs are compared by the float32 cosine of the distinct embeddings."""
    rng = np.random.default_rng(seed)
    kinds = rng.normal(size=(4, 24)).astype(np.float32)
    kinds /= np.linalg.norm(kinds, axis=1, keepdims=True)
    image_kind, text_kind = rng.integers(0, 4, images), rng.integers(0, 4, texts)
    owner = rng.integers(0, images, texts)
    table = np.array([[float(np.float32(kinds[i].astype(float) @ kinds[j])) for j in range(4)] for i in range(4)])
    scores = table[image_kind][:, text_kind]
    image_rank, text_rank = retrieval_ranks(kinds[image_kind], kinds[text_kind], owner, chunk)
    for i in range(images):
        own = [t for t in range(texts) if owner[t] == i]
        others = [t for t in range(texts) if owner[t] != i]
        expected = min((sum(scores[i, u] >= scores[i, t] for u in others) for t in own), default=len(others))
        assert image_rank[i] == expected
    for t in range(texts):
        assert text_rank[t] == sum(scores[i, t] >= scores[owner[t], t] for i in range(images) if i != owner[t])


def test_equal_embeddings_of_an_item_get_one_number():
    rng = np.random.default_rng(0)
    kinds = rng.normal(size=(5, 512)).astype(np.float32)
    kinds /= np.linalg.norm(kinds, axis=1, keepdims=True)
    rows, columns = rng.integers(0, 5, (200, 2)), rng.integers(0, 5, (200, 7))
    scores = score_items(kinds, kinds, rows, columns)
    for item, i, j in zip(scores, rows, columns, strict=True):
        by_pair = {}
        for a, b in itertools.product(range(2), range(7)):
            assert by_pair.setdefault((i[a], j[b]), item[a, b]) == item[a, b]


def test_one_item_is_a_benchmark(model, processor, photos):
    choice = ChoiceTask("task", ONE_TRUE_TEXT)
    choice.add("all", "0", [ImageFile(photos[0])], ["a red cup", "a dog"])
    retrieval = RetrievalTask("task")
    retrieval.add(0, ImageFile(photos[0]), ["a red cup"])
    for task in (choice, retrieval):
        results = summarize_outcomes(task.run(Encoder(model, processor)).scores)
        assert list(results) == ["all"] and all(score["n"] == 1 for score in results["all"].values())


def test_slow_scorers_agree_where_nothing_ties(photos, encoders):
    """Two references, one by scores and one by comparisons: neither is right only because it copies the other."""
    _, slow = encoders
    texts, belongs = ["a red cup", "a blue kite"], PAIR.tolist()
    for images in random.Random(0).sample(list(itertools.permutations(photos[:4], 2)), 5):
        scores = [[float(slow.image(image) @ slow.text(text)) for text in texts] for image in images]
        expected = {name: float(value) for name, value in slow_choice(scores, belongs).items()}
        assert slow_outcomes(slow, belongs, images, texts) == pytest.approx(expected)
