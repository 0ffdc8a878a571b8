import numpy as np
import pytest

from hf_hardneg.filters import IN_CAPTION, IN_CATEGORIES, IN_OTHER_CAPTION, REASONS, find_rejections, mark_mentions
from hf_hardneg.lexicon.index import load_index
from hf_hardneg.slots import find_mentions


def judge(new, caption, others="", categories=""):
    index = load_index()
    of_class = next(c for c in index.classes if new in c.forms)
    sources = [[find_mentions(text, index)] for text in (caption, others, categories)]
    marks = mark_mentions(sources, len(index.mentions))
    verdict = find_rejections(of_class, np.array([0]), marks)[0, of_class.forms.index(new)]
    return REASONS[verdict - 1] if verdict else None


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
