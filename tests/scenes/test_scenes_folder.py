import random

import numpy as np
import pytest
from helpers.captions import mentions

from hf_hardneg.columns import PAIR_FEATURES, ROW_FEATURES
from hf_hardneg.lexicon.concepts import CONCEPTS, load_lexicon
from hf_hardneg.scenes.world import (
    KINDS,
    MENTION_RATES,
    describe_scene,
    draw_scene,
    sample_pair,
    sample_scene,
    sample_wording,
    scene_pairs,
    scene_rows,
)


def said(text):
    """What a text mentions but relations such as "near": the noun after one decides whether it is a mention."""
    location = load_lexicon().concepts["location"]
    relations = {location.mention_name(e.kind, e.name) for e in location.entries if e.kind in location.before}
    return {(concept, name) for concept, name in mentions(text) if concept != "location" or name not in relations}


@pytest.mark.parametrize("concept", CONCEPTS)
def test_pairs_are_exact_and_differ_in_one_concept(concept):
    for i in range(40):
        pair = sample_pair(random.Random(i), concept)
        before, after, mask = (np.asarray(pair[name]) for name in ("coco_image", "inpaint_image", "mask"))
        assert set(np.unique(mask)) == {0, 255}
        assert (before[mask == 0] == after[mask == 0]).all()
        assert (before != after).any()
        assert pair["coco_caption"] != pair["inpaint_caption"]
        changed = said(pair["coco_caption"]) ^ said(pair["inpaint_caption"])
        changed -= {("object", "orange")}  # by its letters alone the color is a fruit, too
        assert {name for name, _ in changed} <= {concept}


def test_captions_mention_attributes_at_the_stated_rates():
    mentioned = []
    for i in range(1500):
        rng = random.Random(i)
        scene = sample_scene(rng)
        caption = describe_scene(scene, sample_wording(rng, scene, MENTION_RATES))
        mentioned.append({concept for concept, name in mentions(caption) if name != "near"})
    shares = {concept: np.mean([concept in found for found in mentioned]) for concept in CONCEPTS}
    assert shares["object"] == 1
    assert shares["color"] == pytest.approx(MENTION_RATES["color"], abs=0.05)
    assert shares["size"] == pytest.approx(MENTION_RATES["size"], abs=0.05)
    # A thing in the middle has no place to speak of.
    assert 0.7 * MENTION_RATES["location"] < shares["location"] < MENTION_RATES["location"]


def test_the_same_seed_gives_the_same_rows_and_another_others():
    first, again, other = scene_rows("a", 5), scene_rows("a", 5), scene_rows("b", 5)
    assert first.features == ROW_FEATURES
    assert first["caption"][:] == again["caption"][:] != other["caption"][:]
    assert all(x.tobytes() == y.tobytes() for x, y in zip(first["image"], again["image"], strict=True))


def test_pairs_have_the_columns_of_inpaintcoco():
    pairs = scene_pairs("a", 2)
    assert pairs.features == PAIR_FEATURES
    assert pairs["concept"][:] == [concept for concept in CONCEPTS for _ in range(2)]


def test_every_kind_can_be_drawn_at_any_size():
    for kind in KINDS:
        rng = random.Random(kind)
        scene = sample_scene(rng)
        assert draw_scene(scene, cell=16).size == (48, 48)
        assert draw_scene(scene, cell=64).size == (192, 192)


def test_an_unknown_concept_is_refused():
    with pytest.raises(ValueError, match="shape.*object, color, size, location"):
        sample_pair(random.Random(0), "shape")
