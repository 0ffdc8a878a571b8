from collections import Counter

import numpy as np
import pytest
from datasets import Dataset, Features, IterableDataset
from datasets.fingerprint import Hasher
from helpers.captions import CAPTIONS, outputs_under_two_hash_seeds, scene_captions
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_hardneg.audit.measure import audit_negatives
from hf_hardneg.columns import NEGATIVE_FEATURES, ROW_FEATURES, with_negatives
from hf_hardneg.data.skip_reasons import EMPTY
from hf_hardneg.lexicon.index import load_index
from hf_hardneg.negatives.add_negatives import GUESSABLE, NO_CONCEPT, AddHardNegatives, fit_slot_model
from hf_hardneg.negatives.add_positives import AddHardPositives
from hf_hardneg.negatives.edits import replace_words
from hf_hardneg.negatives.foreign import NOT_ENGLISH
from hf_hardneg.negatives.truth_filter import DISAGREES, IN_CAPTION, IN_OTHER_CAPTION


def rows(captions, others=None):
    return {
        "caption": list(captions),
        "image_id": list(range(len(captions))),
        "other_captions": others or [[] for _ in captions],
        "categories": [[] for _ in captions],
    }


def dataset(captions):
    features = Features({name: feature for name, feature in ROW_FEATURES.items() if name != "image"})
    return Dataset.from_dict(rows(captions), features=features)


def test_each_negative_differs_in_a_known_concept():
    batch = AddHardNegatives(num_negatives=2)(rows(CAPTIONS[:4]))
    for caption, negatives, concepts in zip(CAPTIONS, batch["negatives"], batch["negative_concepts"], strict=False):
        assert 1 <= len(set(negatives)) == len(concepts) <= 2
        assert caption not in negatives


def test_no_column_is_read_that_is_not_needed():
    class Lazy(dict):
        def __getitem__(self, name):
            assert name in ("caption", "image_id", "other_captions", "categories")
            return super().__getitem__(name)

        keys = items = values = __iter__ = None  # a lazy batch of `datasets` decodes its images when it is unpacked

    batch = Lazy(rows(CAPTIONS), image=[b"photo"] * len(CAPTIONS))
    assert AddHardNegatives(model=fit_slot_model([batch]))(batch)["negatives"]


def test_rows_without_image_ids_are_photos_of_their_own_in_any_order():
    data = dataset(CAPTIONS).select_columns(["caption"])
    add = AddHardNegatives(model=fit_slot_model(data))
    kwargs = {"batched": True, "features": with_negatives(data.features)}
    made = {row["caption"]: row["negatives"] for row in data.map(add, batch_size=3, **kwargs)}
    assert any(made.values())
    assert made == {row["caption"]: row["negatives"] for row in data.shuffle(seed=1).map(add, **kwargs)}
    positives = AddHardPositives(2)({"caption": ["A man on a couch."]})["positives"]
    assert positives == AddHardPositives(2)({"caption": ["A man on a couch."], "image_id": [3]})["positives"] != [[]]


def test_captions_without_a_candidate_are_masked_and_say_why():
    batch = AddHardNegatives()(rows(["", "   ", None, "It is raining."]))
    assert batch["negatives"] == [[]] * 4
    assert batch["rejections"] == [[EMPTY], [EMPTY], [EMPTY], [NO_CONCEPT]]


def test_k_beyond_the_candidates_gives_all_there_are():
    batch = AddHardNegatives(num_negatives=50)(rows(["something fat"]))
    assert batch["negatives"] == [["something skinny"]]


def test_words_that_the_captions_never_use_are_never_put_in():
    captions = ["a red car", "a red truck", "a blue car", "a truck", "a car"] * 3
    batch = AddHardNegatives(num_negatives=9, model=fit_slot_model([rows(captions)]))(rows(captions))
    assert Counter(word for negatives in batch["negatives"] for text in negatives for word in text.split()).keys() == {
        "a", "red", "blue", "car", "truck"
    }  # fmt: skip


def test_reasons_name_what_speaks_against_a_replacement():
    add = AddHardNegatives(concepts=("size",))
    batch = add(rows(["a fat cat", "a fat cat", "a fat or skinny cat"], [[], ["a skinny cat"], []]))
    assert batch["rejections"] == [[], [IN_OTHER_CAPTION], [IN_CAPTION]]
    assert batch["negatives"] == [["a skinny cat"], [], []]


def test_a_person_agrees_with_the_pronouns_of_the_caption():
    captions = ["A man takes his hat.", "A lady takes her hat.", "A man takes a hat."]
    batch = AddHardNegatives(concepts=("object",), num_negatives=90)(rows(captions))
    persons = [{new.split()[-1] for new in news} for news in batch["negative_news"]]
    assert "child" in persons[0] and not persons[0] & {"woman", "lady", "girl"}
    assert "baby" in persons[1] and not persons[1] & {"man", "gentleman", "boy", "guy"}
    assert {"woman", "lady", "girl"} <= persons[2]
    assert [DISAGREES in reasons for reasons in batch["rejections"]] == [True, True, False]


def test_a_row_whose_replacements_all_give_themselves_away_says_so():
    model = fit_slot_model([rows(["a fat cat"] * 9 + ["one skinny dog"])], ("size",))
    batch = AddHardNegatives(concepts=("size",), model=model)(rows(["a fat cat"] * 9))
    left_out = [
        reasons for negatives, reasons in zip(batch["negatives"], batch["rejections"], strict=True) if not negatives
    ]
    assert left_out and all(reasons == [GUESSABLE] for reasons in left_out)


def test_modifiers_of_two_things_are_exchanged():
    batch = AddHardNegatives(concepts=("color", "object"), num_negatives=10**4)(
        rows(["A blue car and an orange bus."])
    )
    at = batch["negative_operators"][0].index("exchange")
    assert batch["negatives"][0][at] == "An orange car and a blue bus."
    assert (batch["negative_olds"][0][at], batch["negative_spans"][0][at]) == ("A blue car and an orange", [0, 24])


def test_negatives_of_scenes_are_not_told_by_words_rules_or_length():
    captions = scene_captions(1500, "balance")
    batch = AddHardNegatives(model=fit_slot_model([rows(captions)]))(rows(captions))
    result = audit_negatives(captions, batch["negatives"])
    told = {name: one.share for name, one in result.readers.items()}
    assert told["n-grams"] < 53 and told["rules"] < 50.5 and told["length"] < 51.5 and result.coverage > 85
    assert result.identical == result.permuted_lists == result.artifacts == result.broken_articles == 0


COUNTED = ["Two dogs run.", "Three dogs run.", "Two cats sit by a gate.", "Three cats sit by a gate."]


def test_a_number_becomes_another_number_and_none_that_another_caption_allows():
    add = AddHardNegatives(num_negatives=99, concepts=("number",))
    [made] = add(rows(["Two dogs run."]))["negatives"]
    assert "Three dogs run." in made and "2 dogs run." not in made
    others = [["several dogs and a ball"]]
    assert add(rows(["Two dogs run."], others)) == add(rows(["Two dogs run."], [["many dogs"]]))
    assert add(rows(["Two dogs run."], others))["rejections"] == [[IN_OTHER_CAPTION]]
    assert add(rows(["Two dogs run, one black and one white."]))["rejections"] == [[DISAGREES]]
    model = fit_slot_model([rows(COUNTED)], ("number",))
    [first, *_] = AddHardNegatives(num_negatives=1, concepts=("number",), model=model)(rows(COUNTED))["negatives"]
    assert first == ["Three dogs run."]


def test_negations_are_put_in_and_taken_out():
    words = ["hat", "coat", "apron", "umbrella", "scarf", "tie", "dog", "cat"]
    kinds = [("with a", 40), ("without a", 5), ("with no", 5)]
    captions = [
        replace_words(f"a man {kind} {word} stands there {n}", [(6, 6 + len(kind), kind)]).text
        for kind, often in kinds
        for word in words
        for n in range(often)
    ]
    model = fit_slot_model([rows(captions)], ("negation",))
    made = AddHardNegatives(num_negatives=1, concepts=("negation",), model=model)(rows(captions))
    flows = Counter()
    for caption, negatives in zip(captions, made["negatives"], strict=True):
        for negative in negatives:
            flows[" no" in negative or "without" in negative] += 1
            assert (" no" in caption or "without" in caption) != (" no" in negative or "without" in negative)
            assert "a umbrella" not in negative and "an hat" not in negative
    assert min(flows[True], flows[False]) > 40


def test_weights_choose_the_concept():
    weights = (0.0, 1.0, 0.0, 0.0)
    batch = AddHardNegatives(concept_weights=weights)(rows(["a small red car on the left"]))
    assert set(batch["negative_concepts"][0]) == {"color"}


def test_one_concept_needs_no_weights():
    concepts = AddHardNegatives(concepts=("size",))(rows(["a small red car"]))["negative_concepts"]
    assert set(concepts[0]) == {"size"}


def test_output_does_not_depend_on_processes_batches_or_order():
    data = dataset(scene_captions(300))
    add = AddHardNegatives(seed=3, model=fit_slot_model(data.iter(100)))
    kwargs = {"batched": True, "features": with_negatives(data.features)}
    one = data.map(add, num_proc=1, **kwargs)
    two = data.map(add, batch_size=7, num_proc=2, **kwargs)
    shuffled = data.shuffle(seed=1).map(add, **kwargs).sort("image_id")
    assert one[:] == two[:] == shuffled[:]
    assert one["negatives"][:] != data.map(AddHardNegatives(seed=4, model=add.model), **kwargs)["negatives"][:]


def test_a_model_does_not_depend_on_batches_or_order():
    data = dataset(scene_captions(100))
    one, two = fit_slot_model(data.iter(100)), fit_slot_model(data.shuffle(seed=1).iter(1))
    assert all((a.coefficients == b.coefficients).all() for a, b in zip(one.weights, two.weights, strict=True))
    assert (one.examples.fits == two.examples.fits).all()


def test_a_stream_gets_the_same_negatives():
    data = dataset(scene_captions(50))
    add = AddHardNegatives(model=fit_slot_model(data.iter(10)))
    stream: IterableDataset = data.to_iterable_dataset().map(add, batched=True, batch_size=8)
    assert [row["negatives"] for row in stream] == data.map(add, batched=True)["negatives"][:]


def test_output_does_not_depend_on_the_hash_seed():
    code = (
        "from hf_hardneg.negatives import AddHardNegatives as A, fit_slot_model as f\n"
        f"t = {CAPTIONS * 4!r}\nb = [[]] * 20\n"
        "r = {'caption': t, 'image_id': range(20), 'other_captions': b, 'categories': b}\n"
        "print(A(model=f([r]))(r))"
    )
    outputs = outputs_under_two_hash_seeds(code)
    assert outputs[0] == outputs[1] != b""


@pytest.mark.parametrize("arguments", [{"num_negatives": 0}, {"concept_weights": (1.0,)}, {"temperature": 0.0}])
def test_impossible_settings_are_refused(arguments):
    with pytest.raises(ValueError, match="must"):
        AddHardNegatives(**arguments)


WORDS = st.sampled_from(
    ["a", "red", "Orange", "dogs", "the left", "\u202bשלום", "🚗", ",", "A", "SMALL", "behind", "\n"]
)


@settings(max_examples=80, deadline=None)
@given(st.lists(WORDS, max_size=12).map(" ".join) | st.text(max_size=60), st.integers(1, 9))
def test_any_text_gives_real_negatives_with_where_they_come_from_or_a_reason(caption, num_negatives):
    batch = AddHardNegatives(num_negatives=num_negatives)(rows([caption]))
    assert batch.keys() == NEGATIVE_FEATURES.keys()
    *parallel, reasons = (values[0] for values in batch.values())
    negatives, _, _, olds, news, spans, ratios = parallel
    assert len({len(values) for values in parallel}) == 1 and len(negatives) == len(set(negatives)) <= num_negatives
    for negative, old, new, (start, end), ratio in zip(negatives, olds, news, spans, ratios, strict=True):
        assert caption[start:end] == old
        assert caption[:start] + new + caption[end:] == negative != caption
        assert negative.strip() and ratio > 0
    assert negatives or reasons


def test_a_caption_of_five_thousand_words_is_no_problem():
    assert len(AddHardNegatives()(rows(["a thing " * 2500 + "and a red dog"]))["negatives"][0]) == 3


def test_other_rules_or_words_are_another_cache_key():
    assert Hasher.hash(AddHardNegatives()) == Hasher.hash(AddHardNegatives())
    assert Hasher.hash(AddHardNegatives()) != Hasher.hash(AddHardNegatives(sources="edited"))


def test_a_vocabulary_of_the_users_makes_negatives_and_its_content_is_the_cache_key(tmp_path):
    file = tmp_path / "material.yaml"
    file.write_text("{concept: material, tags: [JJ, NN], modifier: true, kinds: {material: [wooden, metal]}}")
    add = AddHardNegatives(concepts=("color", str(file)), concept_weights=(0, 1))
    batch = add(rows(["A red wooden bench."]))
    assert batch["negatives"] == [["A red metal bench."]] and batch["negative_concepts"] == [["material"]]
    assert len(load_index(add.concepts).classes) == 2
    file.write_text(file.read_text().replace("metal", "plastic"))
    assert Hasher.hash(add) != Hasher.hash(AddHardNegatives(concepts=add.concepts, concept_weights=(0, 1)))


def test_other_counts_are_another_cache_key():
    models = [fit_slot_model([rows([caption])]) for caption in ("a red car", "a blue car", "a red car")]
    keys = [Hasher.hash(AddHardNegatives(model=model)) for model in models]
    assert keys[0] == keys[2] != keys[1]


def test_rates_of_a_row_never_exceed_k():
    captions = scene_captions(200, "many")
    batch = AddHardNegatives(num_negatives=2, model=fit_slot_model([rows(captions)]), temperature=3)(rows(captions))
    assert np.max([len(negatives) for negatives in batch["negatives"]]) == 2


@pytest.mark.parametrize(
    "columns",
    [
        {"caption": [1]},
        {"caption": [["a red car"]]},
        {"caption": ["a red car"], "other_captions": ["a blue car"]},
        {"caption": ["a red car"], "categories": [[3]]},
    ],
)
def test_columns_that_hold_no_texts_are_named(columns):
    from hf_hardneg.negatives.add_positives import AddHardPositives

    name = list(columns)[-1]
    for make in (AddHardNegatives(), AddHardPositives()) if name == "caption" else (AddHardNegatives(),):
        with pytest.raises(ValueError, match=f"Column '{name}' holds"):
            make({"image_id": [0], **columns})


def test_a_caption_in_another_language_says_so_and_an_odd_english_one_does_not():
    captions = [
        "Ein Hund läuft über die Wiese.",
        "Un chien court dans la neige",
        "两只狗在雪地里玩耍。",
        "blah blah",
        " ",
    ]
    assert AddHardNegatives()(rows(captions))["rejections"] == [[NOT_ENGLISH]] * 3 + [[NO_CONCEPT], [EMPTY]]


def test_what_is_put_in_is_written_as_it_is_written_in_text():
    captions = ["A phone on a table.", "watching a camera on a table", "A TABLE BY A PHONE"] * 20
    data = rows(captions)
    made = "\n".join(text for row in AddHardNegatives(num_negatives=50)(data)["negatives"] for text in row)
    assert " TV on" in made and " tv on" in made and "BY A TV" in made
    assert "A tv" not in made and "a TV" not in made.replace("BY A TV", "")
