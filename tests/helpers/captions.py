"""Captions that many tests share, and those of scenes."""

import random
import subprocess

from helpers.quick_python import quick_python

from hf_hardneg.lexicon.index import load_index
from hf_hardneg.negatives.slots import find_mentions
from hf_hardneg.scenes.world import MENTION_RATES, describe_scene, sample_scene, sample_wording


CAPTIONS = [
    "A red car next to a blue bus.",
    "Two black dogs on the left of a bench.",
    "A small brown horse stands behind a fence.",
    "An orange cat sits on top of a table.",
    "A man rides a large wave.",
]
# The same sentences with other words, so that a word can be replaced by one that is as likely.
OTHER_CAPTIONS = [
    "A green car next to a yellow bus.",
    "Two white cows on the right of a bench.",
    "A large brown zebra stands in front of a fence.",
    "An orange dog sits on top of a table.",
    "A woman rides a small wave.",
]


def mentions(text, index=None):
    """The (concept, name) pairs that a text mentions, in whatever sense."""
    index = index or load_index()
    names = list(index.mentions)
    return {names[mention] for mention in find_mentions(text, index)}


def outputs_under_two_hash_seeds(code):
    """What a Python program prints under PYTHONHASHSEED 1 and under 2."""
    commands = [[quick_python(hash_seed=seed), "-c", code] for seed in ("1", "2")]
    return [subprocess.run(command, capture_output=True, check=True).stdout for command in commands]


def scene_captions(size, seed="vocabulary"):
    captions = []
    for i in range(size):
        rng = random.Random(f"{seed}/{i}")
        scene = sample_scene(rng)
        captions.append(describe_scene(scene, sample_wording(rng, scene, MENTION_RATES)))
    return captions


def batch_of(captions):
    """Rows of images with one caption each."""
    blank = [[]] * len(captions)
    return {
        "caption": list(captions),
        "image_id": list(range(len(captions))),
        "other_captions": blank,
        "categories": blank,
    }
