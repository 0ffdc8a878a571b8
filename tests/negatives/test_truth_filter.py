from functools import reduce
from operator import or_

import pytest

from hf_hardneg.lexicon.index import load_index
from hf_hardneg.negatives.slot_features import hash_images, tabulate_slots
from hf_hardneg.negatives.slots import analyze, find_mentions
from hf_hardneg.negatives.truth_filter import (
    IN_CAPTION,
    IN_CATEGORIES,
    IN_OTHER_CAPTION,
    REASONS,
    ImageTexts,
    filter_slots,
    find_unfit,
    unpack_risks,
)
from hf_hardneg.negatives.truth_filter import find_risks as risks_of


def find_risks(*texts):
    """No word disagrees; then the bits of what each text mentions."""
    index = load_index()
    sets = [0, *(reduce(or_, [index.risks[m] for m in find_mentions(text, index)], 0) for text in texts)]
    return [unpack_risks([bits], index.byte_spans[-1].stop) for bits in sets]


def judge(new, caption, others="", categories=""):
    """Why `new` cannot be put into the first slot of its class; `rejected` has to name all reasons and no other."""
    index = load_index()
    risks = find_risks(caption, others, categories)
    slots = tabulate_slots(analyze([caption], index), hash_images(None, [caption], [()]))
    for c, result in filter_slots(slots, risks, index).items():
        forms = index.classes[c].forms
        if new in forms:
            allowed = result.fits & (index.classes[c].opposed[slots.form[result.slots]] > 0)
            assert (result.has_opposed == allowed.any(-1)).all()
            if allowed[0, forms.index(new)]:
                return None
            bit = 1 << (8 * index.byte_spans[c].start + forms.index(new))
            spoken = [r for r, row in enumerate(risks) if int.from_bytes(row[0].tobytes(), "little") & bit]
            assert result.rejected[0, spoken[0]]
            return REASONS[spoken[0]]
    raise AssertionError(f"{new} is in no class of {caption}")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("cat", "a dog and a cat"), IN_CAPTION),
        (("cat", "a dog and a kitten"), IN_CAPTION),
        (("cat", "a dog", "two cats"), IN_OTHER_CAPTION),
        (("blue", "a red car", "a blue car"), IN_OTHER_CAPTION),
        (("blue", "a red car and a blue bus"), IN_CAPTION),
        (("truck", "a car", "", "truck"), IN_CATEGORIES),
        (("cat", "a dog", "an animal"), IN_OTHER_CAPTION),
        (("cake", "a pizza and other food"), IN_CAPTION),
        (("cat", "a dog", "a black dog", "dog"), None),
        (("cat", "a dog and a cat", "a cat", "cat"), IN_CAPTION),
    ],
)
def test_words_that_may_be_true_are_rejected_with_the_first_reason(arguments, reason):
    assert judge(*arguments) == reason


def test_a_form_counts_for_its_first_reason_only():
    index = load_index()
    text = "a dog and a cat"
    rows = find_risks(text, "a cat", "cat")
    slots = tabulate_slots(analyze([text], index), hash_images(None, [text], [()]))
    [result] = filter_slots(slots, rows, index).values()
    assert result.has_opposed.tolist() == [True] * 2
    assert result.rejected.tolist() == [[False, True, False, False]] * 2


def put_in(caption, word, others=()):
    """What may be put in for `word`."""
    index = load_index()
    analyses = analyze([caption], index)
    slots = tabulate_slots(analyses, hash_images(None, [caption], [others]))
    risks = risks_of(ImageTexts([caption], [list(others)], [[]]), analyses, index)
    for c, result in filter_slots(slots, risks, index, find_unfit(analyses, index)).items():
        for slot, fits in zip(result.slots, result.fits, strict=True):
            of_slot = analyses[0].slots[slot]
            if " ".join(analyses[0].words[of_slot.start : of_slot.end]) == word:
                allowed = fits & (index.classes[c].opposed[of_slot.reading.form] > 0)
                return {form for form, may in zip(index.classes[c].forms, allowed, strict=True) if may}
    raise AssertionError(f"{word} is no slot of {caption}")


@pytest.mark.parametrize(
    ("caption", "word", "fits", "clashes"),
    [
        ("the cat wags its tail", "cat", "dog", "person"),
        ("a bird and its ball", "bird", "dog", "people"),
        ("a girl in a dress", "girl", None, "man"),
        ("a boy and his dog", "boy", None, "woman"),
        ("a herd of cows", "cows", "zebras", "people"),
        ("a herd of small brown cows", "cows", "zebras", "cats"),
        ("a flock of birds", "birds", "sheep", "dogs"),
        ("a loaf of bread", "bread", None, "stew"),
        ("a slice of pizza", "pizza", "cake", "soup"),
        ("a glass of milk", "milk", "juice", None),
        ("playing a game of tennis", "tennis", "soccer", None),
        ("a bear with a cub", "bear", None, "horse"),
        ("people on a bed", "bed", "table", None),
        ("a vase at a wooden table", "table", None, "rug"),
        ("a dog in the street", "street", "ocean", "runway"),
        ("a dog on the street", "street", "beach", "forest"),
        ("a dog walks down the street", "street", "beach", "pond"),
        ("people riding a horse", "horse", "elephant", "car"),
        ("people boarding a bus", "bus", "train", "bike"),
    ],
)
def test_what_is_put_in_agrees_with_the_words_around_it(caption, word, fits, clashes):
    forms = put_in(caption, word)
    assert (fits is None or fits in forms) and clashes not in forms


def test_words_that_govern_one_noun_say_nothing_of_the_next():
    assert "forest" not in put_in("a dog on the beach", "beach")
    assert "cat" in put_in("a bed at the beach with a dog", "dog")
    assert "rug" in put_in("people at the beach, a dog and a bed", "bed")
    assert "city" in put_in("a bird on cars near a forest", "forest")
    assert "city" in put_in("a bird on it and a forest", "forest")
    assert "city" not in put_in("a bird on a very old field", "field")


@pytest.mark.parametrize(
    ("caption", "word", "risky"),
    [
        ("a dog in the snow", "snow", "field"),
        ("a dog in the street", "street", "city"),
        ("people on the grass", "grass", "hill"),
        ("the shoes of a man", "shoes", "sandals"),
        ("a cat by a bridge", "bridge", "river"),
        ("a star by a man", "star", "face"),
        ("a white shirt", "white", "gray"),
    ],
)
def test_what_may_be_true_beside_the_old_word_is_not_put_in(caption, word, risky):
    assert risky not in put_in(caption, word)


def test_the_owner_of_something_is_not_put_in():
    assert "dog" in put_in("a cat", "cat") and "dog" not in put_in("a cat", "cat", ["the dog's tail"])
