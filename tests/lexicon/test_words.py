import re

from hypothesis import given
from hypothesis import strategies as st

from hf_hardneg.lexicon.words import locate_words, split_words, word_spans


@given(st.text(max_size=80) | st.sampled_from(["İstanbul RED", "a\u202bשלום b", "🚗 red", "t-shirt's"]))
def test_spans_give_the_words_back(text):
    words, spans = split_words(text), word_spans(text)
    assert [text[start:end].lower() for start, end in spans] == words
    assert all(before[1] <= after[0] for before, after in zip(spans, spans[1:], strict=False))


def test_a_word_inside_another_is_no_word():
    assert split_words("a colored T-shirt, dog's.") == ["a", "colored", "t-shirt", ",", "dog's", "."]


ODD = [
    "İstanbul RED",
    "a\u202bשלום b",
    "🚗 red\x1cred",
    "t-shirt's a",
    "man, a woman",
    "A_b  ²½ fire  hydrant fire hydrant",
]
TEXTS = st.text(max_size=60) | st.sampled_from(ODD) | st.text("aB -'_.\n", max_size=30)


@given(TEXTS)
def test_words_are_those_of_the_expression_over_the_whole_text(text):
    assert split_words(text) == [word.lower() for word in re.findall(r"\w+(?:[-'’]\w+)*|[^\w\s]", text)]


@given(TEXTS, st.data())
def test_runs_of_words_are_located_where_their_spans_say(text, data):
    words, spans = split_words(text), word_spans(text)
    for start in range(len(words)):
        end = data.draw(st.integers(start + 1, len(words)))
        assert locate_words(text, words, start, end) == (spans[start][0], spans[end - 1][1])
