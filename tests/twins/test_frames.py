"""What two captions have in common beside one concept word."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_hardneg.lexicon.index import load_index
from hf_hardneg.negatives.slots import analyze
from hf_hardneg.twins.frames import EDGE, FEWEST_WORDS, MOST_WORDS, find_views, hash_frame


HASH = 0xB08EB3E2C987A0A7  # of a frame, so that another process or version joins the same captions


def views(caption):
    return list(find_views(analyze([caption], load_index())[0]))


def whole_frames(caption):
    """From each concept word to the frame beside it."""
    words = caption.lower().split()
    return {" ".join(words[v.slot.start : v.slot.end]).strip("."): v.frame for v in views(caption) if v.is_whole}


def beginnings(caption):
    split = analyze([caption], load_index())[0].words
    return {" ".join(split[: view.end]) for view in views(caption) if not view.is_whole}


@given(
    st.sampled_from(["a", "the", "A", "The", ""]),
    st.sampled_from(["", "is", "was"]),
    st.sampled_from(["rides", "riding"]),
    st.sampled_from(["a", "the", "one of the"]),
    st.sampled_from(["", ".", " .", "!"]),
)
@settings(max_examples=40, deadline=None)
def test_articles_be_verb_forms_and_marks_do_not_belong_to_a_frame(first, be, verb, second, end):
    caption = f"{first} man {be} {verb} {second} horse{end}"
    expected = whole_frames("A man rides one of the horse." if second == "one of the" else "A man rides a horse.")
    assert whole_frames(caption)["man"] == expected["man"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("A dog in the snow", "Dogs in the snow"),  # the number of the concept word
        ("A red car by a tree", "A red car by trees"),  # and of any other noun
        ("The dog on the grass runs", "The dog on the grass ran"),
        ("A man holds a horse", "A man held by a horse"),
        ("A black and a white dog run", "A black and white dog run"),  # two dogs, one dog
        ("A dog in a photo", "A dog on a photo"),
        ("A dog on a wing", "A dog on a w"),
    ],
)
def test_what_changes_the_meaning_belongs_to_a_frame(one, other):
    assert not set(whole_frames(one).values()) & set(whole_frames(other).values())


def test_two_dogs_run_as_two_dogs_are_running_do():
    assert whole_frames("Two dogs run on grass") == whole_frames("Two dogs are running on the grass.")


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        (
            "A man rides a tall horse on the beach near a boat.",
            {"a man rides a tall horse", "a man rides a tall horse on the beach"},
        ),
        ("A man stands in a field of flowers.", set()),
        ("A man sits between a dog and a cat.", set()),
        ("A man without a dog and a cat stands there.", set()),
        ("A group of three men and women.", set()),
        ("A man in a white shirt and jeans.", {"a man in a white shirt"}),
        ("A dog on a sofa", set()),  # that is the whole caption
    ],
)
def test_beginnings_end_where_they_are_true_alone(caption, expected):
    assert {text for text in beginnings(caption) if len(text.split()) > FEWEST_WORDS + 1} == expected


def test_a_long_text_has_few_beginnings():
    found = views("A man rides a horse " + "on the beach near a boat " * 40)
    assert max(view.end for view in found if not view.is_whole) <= MOST_WORDS
    assert sum(not view.is_whole for view in found) < 60 and all(EDGE in view.frame for view in found)


def test_hashes_of_frames_are_the_same_in_every_process():
    assert hash_frame(("1", "a", EDGE, "b")) == HASH != hash_frame(("1", EDGE, "a", "b"))
