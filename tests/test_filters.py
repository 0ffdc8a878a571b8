import pytest

from hf_hardneg.filters import IN_CAPTION, IN_CATEGORIES, IN_OTHER_CAPTION, is_false
from hf_hardneg.lexicon import load_lexicon
from hf_hardneg.swaps import Swap


def judge(concept, old, new, caption, others="", categories=""):
    lexicon = load_lexicon()
    entries = {entry.name: entry for entry in lexicon.concepts[concept].entries}
    swap = Swap(0, 0, concept, old, new, entries[old], entries[new])
    return is_false(swap, lexicon.mentions(caption), lexicon.mentions(others), lexicon.mentions(categories), lexicon)


@pytest.mark.parametrize(
    ("arguments", "verdict"),
    [
        (("object", "dog", "cat", "a dog and a cat"), (False, IN_CAPTION)),
        (("object", "dog", "cat", "a dog and a kitten"), (False, IN_CAPTION)),
        (("object", "dog", "cat", "a dog", "two cats"), (False, IN_OTHER_CAPTION)),
        (("color", "red", "blue", "a red car", "a blue car"), (False, IN_OTHER_CAPTION)),
        (("object", "car", "truck", "a car", "", "truck"), (False, IN_CATEGORIES)),
        (("object", "dog", "cat", "a dog", "an animal"), (False, IN_OTHER_CAPTION)),
        (("object", "pizza", "cake", "a pizza and other food"), (False, IN_CAPTION)),
        (("object", "dog", "cat", "a dog", "a black dog", "dog"), True),
        (("color", "red", "blue", "a red car and a blue bus"), True),
    ],
)
def test_swaps_that_may_be_true_are_rejected_with_the_reason(arguments, verdict):
    assert judge(*arguments) == verdict
