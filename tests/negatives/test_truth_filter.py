from functools import reduce
from operator import or_

import pytest

from hf_hardneg.lexicon.index import load_index
from hf_hardneg.negatives.slot_model import tabulate_slots
from hf_hardneg.negatives.slots import analyze, find_mentions
from hf_hardneg.negatives.truth_filter import (
    IN_CAPTION,
    IN_CATEGORIES,
    IN_OTHER_CAPTION,
    REASONS,
    filter_slots,
    unpack_risks,
)


def find_risks(*texts):
    """No word disagrees; then the bits of what each text mentions."""
    index = load_index()
    sets = [0, *(reduce(or_, [index.risks[m] for m in find_mentions(text, index)], 0) for text in texts)]
    return [unpack_risks([bits], index.byte_spans[-1].stop) for bits in sets]


def judge(new, caption, others="", categories=""):
    """Why `new` cannot be put into the first slot of its class; `rejected` has to name all reasons and no other."""
    index = load_index()
    risks = find_risks(caption, others, categories)
    slots = tabulate_slots(analyze([caption], index))
    for c, result in filter_slots(slots, risks, index).items():
        forms = index.classes[c].forms
        if new in forms:
            assert result.has_allowed[0] == result.allowed[0].any()
            if result.allowed[0, forms.index(new)]:
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
    [result] = filter_slots(tabulate_slots(analyze([text], index)), rows, index).values()
    assert result.has_allowed.tolist() == [True] * 2
    assert result.rejected.tolist() == [[False, True, False, False]] * 2
