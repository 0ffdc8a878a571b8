import json

import numpy as np
import pytest
import yaml
from helpers.captions import mentions

from hf_hardneg.lexicon.concepts import CONCEPTS, FURTHER_CONCEPTS, _read_concept, load_lexicon, vocabularies_digest
from hf_hardneg.lexicon.index import LexiconIndex, load_index
from hf_hardneg.negatives import AddHardNegatives, AddHardPositives
from hf_hardneg.negatives.slots import find_mentions
from hf_hardneg.scenes.world import COLORS, KINDS, SIZE_WORDS


COCO_80 = """person bicycle car motorcycle airplane bus train truck boat traffic_light fire_hydrant stop_sign
parking_meter bench bird cat dog horse sheep cow elephant bear zebra giraffe backpack umbrella handbag tie suitcase
frisbee skis snowboard sports_ball kite baseball_bat baseball_glove skateboard surfboard tennis_racket bottle
wine_glass cup fork knife spoon bowl banana apple sandwich orange broccoli carrot hot_dog pizza donut cake chair couch
potted_plant bed dining_table toilet tv laptop mouse remote keyboard cell_phone microwave oven toaster sink
refrigerator book clock vase scissors teddy_bear hair_drier toothbrush""".split()


@pytest.mark.parametrize("category", COCO_80)
def test_every_coco_category_is_known_by_its_name(category):
    assert mentions(category.replace("_", " "))


def test_every_word_of_the_rendered_scenes_is_known():
    words = [*KINDS, *COLORS, *(word for words in SIZE_WORDS.values() for word in words)]
    assert [word for word in words if not mentions(word)] == []


def test_opposed_words_are_of_one_kind_and_never_compatible():
    lexicon = load_lexicon(CONCEPTS + FURTHER_CONCEPTS)
    for concept in lexicon.concepts.values():
        for entry in concept.entries:
            for other in lexicon.opposed(entry):
                assert other.kind == entry.kind
                assert other.name not in lexicon.implied(entry)


@pytest.mark.parametrize("pair", [("gray", "silver"), ("tan", "beige"), ("big", "large"), ("man", "person")])
def test_words_that_can_both_be_true_never_replace_each_other(pair):
    lexicon = load_lexicon()
    entry = next(e for concept in lexicon.concepts.values() for e in concept.entries if e.name == pair[0])
    assert pair[1] not in [other.name for other in lexicon.opposed(entry)]


def test_mentions_match_whole_words_and_phrases_only():
    assert mentions("A colored train, in front of Fire Hydrants and animals") == {
        ("object", "train"), ("object", "fire hydrant"), ("location", "in front of a thing"), ("object", "animals")
    }  # fmt: skip


def test_hypernyms_are_implied_by_what_is_below_them():
    lexicon = load_lexicon()
    entries = {entry.name: entry for entry in lexicon.concepts["object"].entries}
    assert {"animal", "animals", "kitten"} <= lexicon.implied(entries["cat"])
    assert "fruits" in lexicon.implied(entries["banana"]) and "fruits" not in lexicon.implied(entries["pizza"])
    assert "beef" in lexicon.implied(entries["meat"])


def test_every_entry_has_something_to_replace_it():
    lexicon = load_lexicon(CONCEPTS + FURTHER_CONCEPTS)
    stuck = [e.name for c in lexicon.concepts.values() for e in c.entries if not lexicon.opposed(e)]
    assert stuck == []


@pytest.mark.parametrize("kind", ["yaml", "json"])
def test_users_bring_concepts_of_their_own(tmp_path, kind):
    data = {"concept": "material", "tags": ["JJ", "NN"], "modifier": True, "kinds": {"material": ["wooden", "metal"]}}
    file = tmp_path / f"material.{kind}"
    file.write_text(json.dumps(data) if kind == "json" else yaml.safe_dump(data))
    lexicon = load_lexicon(("color", str(file)))
    assert mentions("a red wooden bench", LexiconIndex(lexicon)) == {("color", "red"), ("material", "wooden")}
    with pytest.raises(ValueError, match="two are called"):
        load_lexicon((str(file), str(file)))


def test_a_shipped_concept_need_not_be_among_the_default_ones(monkeypatch):
    monkeypatch.setattr("hf_hardneg.lexicon.concepts.CONCEPTS", ("object",))
    assert vocabularies_digest(("object", "color")) == vocabularies_digest(())  # their files are source
    assert list(load_lexicon(("object", "color")).concepts) == ["object", "color"]


def test_unknown_concept_names_the_known_ones():
    with pytest.raises(ValueError, match="shape.*" + ", ".join(CONCEPTS + FURTHER_CONCEPTS)):
        load_lexicon(("shape",))


def test_number_and_negation_are_shipped_and_not_among_the_default_concepts():
    assert set(FURTHER_CONCEPTS) == {"number", "negation"} and not set(FURTHER_CONCEPTS) & set(CONCEPTS)
    assert list(load_lexicon(FURTHER_CONCEPTS).concepts) == list(FURTHER_CONCEPTS)
    assert set(load_lexicon().concepts) == set(CONCEPTS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("concept: x\ntags: [NN]", "kinds"),
        ("concept: x\ntags: [NN]\nkinds: {a: [b]}\ncompatible: [[b, c]]", "'c'"),
        ("concept: x\ntags: [NN]\nkinds: {a: [b]}\nhypernyms: {z: [c]}", "'c'"),
        ("concept: x\ntags: [NN]\nkinds: {a: [b]}\nidioms: [b]", "both idioms"),
        ("concept: x\ntags: [NN]\nkinds: {a: [b]}\nidiom: [b c]", "Did you mean 'idioms'"),
        ("concept: x\ntags: [NN]\nkinds: [b]", "must be an object"),
        ("concept: x\ntags: [NN]\nkinds: {a: [' ']}", "empty word"),
        ("concept: x\ntags: [NN]\nkinds: {a: [b]}\nparts: {b: [c]}", "parts.b names \\['c'\\]"),
        ("concept: x\ntags: [NN]\nkinds: {a: [b]}\nunfit: {at: [c]}", "unfit.at names \\['c'\\]"),
        ("concept: x\ntags: [NN]\nkinds: {a: [b]}\nfit: {loaf of: [a, c]}", "fit.loaf of names \\['c'\\]"),
        ("concept: x\ntags: [IN]\nkinds: {a: [b, c]}\nbefore: {z: [other]}", "'z'"),
        ("concept: x\ntags: [IN]\nkinds: {a: [b, c]}\nbefore: {a: [tables]}", "'tables'"),
        ("concept: x\ntags: [IN]\nkinds: {a: [b, c], d: [b, e]}\nbefore: {a: [other], d: [other]}", "'b'.*several"),
        (
            "concept: x\ntags: [IN]\nkinds: {a: [b, c], d: [b, e]}\nnouns: {t: [bed], s: [bed]}\n"
            "before: {a: [t], d: [s]}",
            "'b'.*several",
        ),
        ("concept: [", "no valid YAML"),
        ("", "lacks"),
    ],
)
def test_broken_vocabulary_says_what_is_missing(tmp_path, text, message):
    file = tmp_path / "x.yaml"
    file.write_text(text)
    with pytest.raises(ValueError, match=message):
        _read_concept(file)


def _mentions_anywhere(form, index):
    """The mentions of a form before whatever noun."""
    heads = ("", "doorways", *index.lexicon.concepts["location"].noun_types)
    return sorted({mention for head in heads for mention in find_mentions(f"{form} {head}", index)})


def test_who_replaces_whom_is_symmetric_and_never_at_risk_by_the_word_that_stood_there():
    index = load_index()
    for of_class in index.classes:
        assert (of_class.opposed == of_class.opposed.T).all()
        for i, form in enumerate(of_class.forms):
            bits = np.bitwise_or.reduce(of_class.risk_bits[_mentions_anywhere(form, index)])
            assert np.unpackbits(bits, bitorder="little")[i] or not of_class.opposed[i].any()


def test_a_yes_or_no_among_the_words_is_explained(tmp_path):
    file = tmp_path / "place.yaml"
    file.write_text("{concept: place, tags: [IN], kinds: {place: [on, under]}}")
    with pytest.raises(ValueError, match="quotes"):
        load_lexicon((str(file),))


def test_ambiguous_forms_must_be_words_of_the_vocabulary(tmp_path):
    file = tmp_path / "place.yaml"
    file.write_text("{concept: place, tags: [IN], kinds: {place: [above, under]}, ambiguous: [abovee]}")
    with pytest.raises(ValueError, match="abovee"):
        load_lexicon((str(file),))


def test_an_edited_vocabulary_is_read_again_and_gives_the_new_negatives_and_positives(tmp_path):
    file = tmp_path / "fruit.yaml"
    text = "concept: fruit\ntags: [NN]\nkinds: {fruit: [apple, pear, fig]}\nsynonyms: [[apple, pear]]\n"
    rows = {"caption": ["an apple"], "image_id": [0], "other_captions": [[]], "categories": [[]]}
    words = {}
    for word in ("fig", "kiwi"):
        file.write_text(text.replace("fig", word).replace("[apple, pear]]", f"[apple, {word}]]"))
        negatives = AddHardNegatives(num_negatives=3, concepts=(str(file),))(rows)["negatives"][0]
        positives = AddHardPositives(num_positives=3, concepts=(str(file),))(rows)["positives"][0]
        words[word] = (negatives, positives)
    assert words == {"fig": (["a pear"], ["a fig"]), "kiwi": (["a pear"], ["a kiwi"])}


def test_every_condition_on_a_word_is_of_a_word_of_its_kind():
    for concept in load_lexicon().concepts.values():
        forms = {(entry.kind, form) for entry in concept.entries for form in entry.forms}
        assert sorted(set(concept.otherwise) - forms) == []
        assert sorted((concept.subjects | concept.after.keys()) - {entry.kind for entry in concept.entries}) == []
        assert sorted(concept.parts.keys() - {entry.name for entry in concept.entries}) == []


def test_forms_are_found_in_lower_case_and_kept_as_the_file_writes_them():
    index = load_index()
    assert index.written["tv"] == "TV" and index.written["wii remote"] == "Wii remote" and "dog" not in index.written
    assert mentions("a TV and a tv") == {("object", "tv")}


def test_a_word_that_a_noun_decides_on_can_be_a_whole(tmp_path):
    file = tmp_path / "x.yaml"
    file.write_text(
        "concept: x\ntags: [NN]\nkinds: {a: [lid, rim], d: [jar, cup]}\nbefore: {d: [other]}\nparts: {lid: [jar]}\n"
    )
    index = load_index((str(file),))
    [lid] = index.phrases["lid"].single
    assert lid.readings[0].wholes == {index.mentions["x", "jar d"]}
