import os
import subprocess
import sys

import pytest
from conftest import CAPTIONS, scene_captions
from datasets import Dataset, Features
from datasets.fingerprint import Hasher
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_hardneg.columns import ROW_FEATURES, with_negatives
from hf_hardneg.negatives import EMPTY, NEVER_USED, NO_CONCEPT, AddHardNegatives, count_words


def rows(captions):
    blank = [[] for _ in captions]
    return {
        "caption": list(captions),
        "image_id": list(range(len(captions))),
        "other_captions": blank,
        "categories": blank,
    }


def dataset(captions):
    features = Features({name: feature for name, feature in ROW_FEATURES.items() if name != "image"})
    return Dataset.from_dict(rows(captions), features=features)


def test_each_negative_differs_in_a_known_concept():
    batch = AddHardNegatives(num_negatives=2)(rows(CAPTIONS[:4]))
    for caption, negatives, concepts in zip(CAPTIONS, batch["negatives"], batch["negative_concepts"], strict=False):
        assert len(set(negatives)) == len(concepts) == 2
        assert caption not in negatives


def test_captions_without_a_candidate_are_masked_and_say_why():
    batch = AddHardNegatives()(rows(["", "   ", None, "It is raining."]))
    assert batch["negatives"] == [[]] * 4
    assert batch["rejections"] == [[EMPTY], [EMPTY], [EMPTY], [NO_CONCEPT]]


def test_k_beyond_the_candidates_gives_all_there_are():
    batch = AddHardNegatives(num_negatives=50)(rows(["something fat"]))
    assert batch["negatives"] == [["something skinny"]]


def test_words_that_the_captions_never_use_are_never_put_in():
    counts = count_words(["a red car", "a blue car", "a truck"])
    batch = AddHardNegatives(num_negatives=9, word_counts=counts)(rows(["a red car"]))
    assert set(batch["negatives"][0]) == {"a blue car", "a red truck"}


def test_weights_choose_the_concept():
    weights = (0.0, 1.0, 0.0, 0.0)
    batch = AddHardNegatives(concept_weights=weights)(rows(["a small red car on the left"]))
    assert batch["negative_concepts"] == [["color"] * 3]


def test_one_concept_needs_no_weights():
    assert AddHardNegatives(concepts=("size",))(rows(["a small red car"]))["negative_concepts"] == [["size"] * 3]


def test_output_does_not_depend_on_processes_or_order():
    data = dataset(scene_captions(60))
    add = AddHardNegatives(seed=3)
    kwargs = {"batched": True, "features": with_negatives(data.features)}
    one = data.map(add, num_proc=1, **kwargs)
    two = data.map(add, batch_size=7, num_proc=2, **kwargs)
    shuffled = data.shuffle(seed=1).map(add, **kwargs).sort("image_id")
    assert one["negatives"][:] == two["negatives"][:] == shuffled["negatives"][:]
    assert one["negatives"][:] != data.map(AddHardNegatives(seed=4), **kwargs)["negatives"][:]


def test_output_does_not_depend_on_the_hash_seed():
    code = (
        "from hf_hardneg.negatives import AddHardNegatives as A, count_words as c\n"
        f"t = {CAPTIONS!r}\nb = [[]] * 5\n"
        "print(A(word_counts=c(t * 2 + ['a green truck']))"
        "({'caption': t, 'image_id': range(5), 'other_captions': b, 'categories': b}))"
    )
    outputs = [
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    ]
    assert outputs[0] == outputs[1] != b""


@pytest.mark.parametrize("arguments", [{"num_negatives": 0}, {"concept_weights": (1.0,)}])
def test_impossible_settings_are_refused(arguments):
    with pytest.raises(ValueError, match="must"):
        AddHardNegatives(**arguments)


WORDS = st.sampled_from(
    ["a", "red", "Orange", "dogs", "the left", "\u202bשלום", "🚗", ",", "A", "SMALL", "behind", "\n"]
)


@settings(max_examples=60, deadline=None)
@given(st.lists(WORDS, max_size=12).map(" ".join) | st.text(max_size=60))
def test_any_text_gives_real_negatives_or_none(caption):
    batch = AddHardNegatives()(rows([caption]))
    negatives = batch["negatives"][0]
    assert len(negatives) == len(set(negatives)) == len(batch["negative_concepts"][0])
    assert all(negative.strip() and negative != caption for negative in negatives)
    assert negatives or batch["rejections"][0]


def test_a_caption_of_five_thousand_words_is_no_problem():
    assert len(AddHardNegatives()(rows(["a red dog " * 1700]))["negatives"][0]) == 3


def test_a_caption_whose_replacements_nobody_uses_says_so():
    batch = AddHardNegatives(word_counts={"red": 1, "car": 1})(rows(["a red car"]))
    assert batch["negatives"] == [[]] and batch["rejections"] == [[NEVER_USED]]


def test_other_rules_or_words_are_another_cache_key():
    assert Hasher.hash(AddHardNegatives()) == Hasher.hash(AddHardNegatives())
    assert Hasher.hash(AddHardNegatives()) != Hasher.hash(AddHardNegatives(sources="edited"))


def test_a_vocabulary_of_the_users_makes_negatives_and_its_content_is_the_cache_key(tmp_path):
    file = tmp_path / "material.yaml"
    file.write_text("{concept: material, tags: [JJ, NN], modifier: true, kinds: {material: [wooden, metal]}}")
    add = AddHardNegatives(concepts=("color", str(file)), concept_weights=(0, 1))
    batch = add(rows(["A red wooden bench."]))
    assert batch["negatives"] == [["A red metal bench."]] and batch["negative_concepts"] == [["material"]]
    file.write_text(file.read_text().replace("metal", "plastic"))
    assert Hasher.hash(add) != Hasher.hash(AddHardNegatives(concepts=add.concepts, concept_weights=(0, 1)))
