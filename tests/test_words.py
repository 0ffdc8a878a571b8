from hypothesis import given
from hypothesis import strategies as st

from hf_hardneg.words import split_words, word_spans


@given(st.text(max_size=80) | st.sampled_from(["İstanbul RED", "a\u202bשלום b", "🚗 red", "t-shirt's"]))
def test_spans_give_the_words_back(text):
    words, spans = split_words(text), word_spans(text)
    assert [text[start:end].lower() for start, end in spans] == words
    assert all(before[1] <= after[0] for before, after in zip(spans, spans[1:], strict=False))


def test_a_word_inside_another_is_no_word():
    assert split_words("a colored T-shirt, dog's.") == ["a", "colored", "t-shirt", ",", "dog's", "."]
