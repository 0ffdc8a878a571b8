import pytest

from hf_hardneg.lexicon.index import load_index
from hf_hardneg.lexicon.noun_phrases import is_plural, noun_types
from hf_hardneg.lexicon.words import split_words


def types(text):
    known = {"table": ("table",), "parking lot": ("lot",), "dining table": ("dining",), "bed": ("bed",)}
    return noun_types([*split_words(text), "", ""], 0, known)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a table", ("table",)),
        ("the very large wooden table with food", ("table",)),
        ("his table while he eats", ("table",)),
        ("a dining table .", ("dining",)),
        ("a crowded parking lot", ("lot",)),
        ("a table top", ("other",)),
        ("a bed frame", ("other",)),
        ("a bed together", ("bed",)),
        ("a sunny day", ("other",)),
        ("dogs", ("plural",)),
        ("big brown dogs run", ("plural",)),
        ("the dogs", ("other",)),
        ("it", ("pronoun",)),
        ("her .", ("pronoun",)),
        ("each other", ("pronoun",)),
        ("a snow covered table", ("table",)),
        ("a table covered in snow", ("table",)),
        ("", ("none",)),
        (", a man", ("none",)),
        ("eating a table", ("none",)),
    ],
)
def test_the_head_of_the_next_noun_phrase_decides(text, expected):
    assert types(text) == expected


def test_plurals_are_told_from_words_that_only_end_like_them():
    plural = ["dogs", "people", "sheep", "buses", "children"]
    assert [word for word in [*plural, "bus", "grass", "tennis", "dog's", "its", "this"] if is_plural(word)] == plural


def test_a_noun_that_no_type_holds_is_any_other_noun():
    assert "doorway" not in load_index().lexicon.concepts["location"].noun_types
    assert types("a doorway") == ("other",)
