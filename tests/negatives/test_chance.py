import hashlib
import json

import numpy as np
from helpers.captions import CAPTIONS, OTHER_CAPTIONS

from hf_hardneg.negatives.add_negatives import AddHardNegatives, fit_slot_model
from hf_hardneg.negatives.add_positives import AddHardPositives
from hf_hardneg.negatives.chance import draw_without_order, uniform, uniform_integers


def test_values_are_those_of_the_first_release():
    assert uniform_integers(0, [1, 2], ["a cat", "a \udc80 dog"]).tolist() == [1824597369, 3356094703]
    assert uniform("0/1/a cat/a dog") == 0.4696668726122433


def test_numbers_are_uniform():
    numbers = uniform_integers(0, range(4000), ["a cat"] * 4000) / 2**32
    floats = np.array([uniform(f"0/{i}/a cat") for i in range(4000)])
    for values in (numbers, floats):
        shares = np.histogram(values, bins=4, range=(0, 1))[0] / 4000
        assert abs(shares - 0.25).max() < 0.03  # four standard deviations


def test_the_order_of_the_keys_does_not_matter():
    keys = [f"0/1/a cat/{i}" for i in range(20)]
    assert draw_without_order(keys, 5) == draw_without_order(reversed(keys), 5)


def test_a_fixed_set_keeps_its_negatives_and_positives():
    # The digests were taken before the draws moved into one module. A change of the vocabulary or the rules changes
    # them, too: then take new ones, and say in the change log that sets made with the old version differ.
    captions = (CAPTIONS + OTHER_CAPTIONS) * 4
    rows = {
        "caption": captions,
        "image_id": list(range(40)),
        "other_captions": [[captions[(i + 5) % 10]] if i % 3 == 0 else [] for i in range(40)],
        "categories": [["truck"] if i % 4 == 0 else [] for i in range(40)],
    }
    negatives = AddHardNegatives(num_negatives=3, seed=7, model=fit_slot_model([rows]))(rows)["negatives"]
    positives = AddHardPositives(num_positives=3, seed=7)(rows)["positives"]
    assert [hashlib.sha256(json.dumps(texts).encode()).hexdigest() for texts in (negatives, positives)] == [
        "df6a5034ddf386a0009114c45f642ffd870532c62bdb556f4906054fe15c1f63",
        "0236148bf1865cf8d7713a5934df95b56ee0fb1d5e52c74de9f13a92cbf04d71",
    ]
