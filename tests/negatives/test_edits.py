import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_hardneg.lexicon.articles import article_for
from hf_hardneg.negatives.edits import Replacement, replace_words


def swap(caption, old, new):
    start = caption.index(old)
    return replace_words(caption, [Replacement(start, start + len(old), new)])


@pytest.mark.parametrize(
    ("caption", "old", "new", "expected"),
    [
        ("a red car", "red", "orange", "an orange car"),
        ("An orange  car.", "orange", "red", "A red  car."),
        ("AN ORANGE CAR", "ORANGE", "red", "A RED CAR"),
        ("A RED CAR", "RED", "orange", "AN ORANGE CAR"),
        ("Red cars", "Red", "blue", "Blue cars"),
        ("Banana  , red", "red", "blue", "Banana  , blue"),
        ("a hat", "hat", "umbrella", "an umbrella"),
        ("the red car", "red", "orange", "the orange car"),
        ("pasta red", "red", "orange", "pasta orange"),
        ("with no umbrella", "with no", "with a", "with an umbrella"),
        ("WITH NO UMBRELLA", "WITH NO", "with a", "WITH AN UMBRELLA"),
        ("With no hat", "With no", "with a", "With a hat"),
        ("with an umbrella", "with an", "without a", "without an umbrella"),
        ("a red, red car", "red", "orange", "an orange, red car"),
        ("watching TV", "TV", "phone", "watching phone"),
        ("Watching a phone", "phone", "TV", "Watching a TV"),
        ("watching a phone", "phone", "TV", "watching a tv"),
        ("WATCHING A PHONE", "PHONE", "TV", "WATCHING A TV"),
        ("TV on a table", "TV", "phone", "Phone on a table"),
        ("A dog with a Frisbee.", "Frisbee", "ball", "A dog with a ball."),
        ("A Dog with a Frisbee", "Frisbee", "ball", "A Dog with a Ball"),
        ("A dog. Cats run.", "Cats", "dogs", "A dog. Dogs run."),
        ("a red STOP sign", "STOP sign", "bench", "a red bench"),
        ("A TV and a dog", "A TV", "a dog", "A dog and a dog"),
        ("a STRANGE bus", "STRANGE", "red", "a RED bus"),
        ("a car", "car", "SUV", "an suv"),
        ("A car", "car", "SUV", "An SUV"),
    ],
)
def test_edits_leave_no_trace(caption, old, new, expected):
    assert swap(caption, old, new).text == expected


VOWEL_SOUNDS = (
    "umbrella unimportant hour orange eagle unknown SUV suvs LCD lcd mp3 HDTV NFL X-ray x-ray 8 8th 80 11 18 18,000 "
    "1800s hour-long honest heir herb umpire undone uncle ugly uglier onion unidentified upside urban L-shaped"
).split()
CONSONANT_SOUNDS = (
    "unicorn uniform used European one one-eyed one-way horse red RED 1 10 110 111 180 urinal utensil uniforms US USB "
    "UFO u-shaped U-turn TV tv BMX Herbert st. Mr Mrs fly sky shy hmm year youth historic ukulele eucalyptus"
).split()


@pytest.mark.parametrize("word", VOWEL_SOUNDS)
def test_article_before_vowel_sounds(word):
    assert article_for(word) == "an"


@pytest.mark.parametrize("word", CONSONANT_SOUNDS)
def test_article_before_consonant_sounds(word):
    assert article_for(word) == "a"


@pytest.mark.parametrize("spans", [[(3, 3)], [(5, 7), (2, 5)], [(2, 5), (4, 6)], [(2, 99)], [(-1, 3)]])
def test_spans_that_do_not_fit_the_caption_are_refused(spans):
    with pytest.raises(ValueError, match="must lie in"):
        replace_words("a blue car", [Replacement(start, end, "red") for start, end in spans])


def test_two_words_change_places():
    change = replace_words("An orange car and a BLUE bus.", [Replacement(3, 9, "blue"), Replacement(20, 24, "orange")])
    assert change == ("A blue car and an ORANGE bus.", 0, 24, "An orange car and a BLUE", "A blue car and an ORANGE")


BEFORE = st.text(max_size=40) | st.sampled_from(["a ", "An  ", "x A\n", "pasta ", "an"])


@given(BEFORE, st.text(max_size=20), st.text(max_size=40), st.sampled_from(["red", "Red", "RED"]))
def test_all_but_the_spans_and_their_articles_stay_as_they_were(before, between, after, old):
    caption = before + old + between + old + after
    second = len(before) + len(old) + len(between)
    spans = [(len(before), len(before) + len(old)), (second, second + len(old))]
    change = replace_words(caption, [Replacement(*span, "orange") for span in spans])
    assert caption[: change.start] + change.new + caption[change.end :] == change.text != caption
    assert caption[change.start : change.end] == change.old
    assert change.text.endswith(after)
    assert (
        re.sub(r"\ban?(\s+orange)", r"ARTICLE\1", change.text, flags=re.IGNORECASE).lower()
        == re.sub(
            r"\ban?(\s+orange)", r"ARTICLE\1", before + "orange" + between + "orange" + after, flags=re.IGNORECASE
        ).lower()
        or between == ""
    )
