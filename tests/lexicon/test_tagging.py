import pytest

from hf_hardneg.lexicon import tagging as usage
from hf_hardneg.lexicon.tagging import Tags, tag_windows


def test_a_verdict_does_not_depend_on_what_else_is_asked():
    windows = [
        ("", "an", "orange", "cat", "sits"),
        ("", "an", "orange", "on", "it"),
        ("", "a", "train", "is", "late"),
        ("", "", "trains", "", ""),
    ]
    usage._remembered.clear()
    together = dict(tag_windows(windows))
    usage._remembered.clear()
    assert together == {window: tag_windows([window])[window] for window in reversed(windows)}


def test_a_full_memory_starts_anew_and_answers_the_same(monkeypatch):
    windows = [("", "an", "orange", "cat", "sits"), ("", "the", "train", "is", "late")]
    usage._remembered.clear()
    first = dict(tag_windows(windows))
    monkeypatch.setattr(usage, "MOST_REMEMBERED", 2)
    tag_windows([("", "a", "bear", "sleeps", "")])
    again = tag_windows(windows)
    assert {window: again[window] for window in windows} == first and len(usage._remembered) <= 3


def test_tags_are_those_of_the_last_word_of_a_phrase_and_of_the_next():
    windows = [("a", "big", "red", "car", "there"), ("", "", "fire", "truck", "is", "red"), ("", "", "dogs", "", "")]
    tags = tag_windows(windows)
    assert [tags[window] for window in windows] == [Tags("JJ", "JJ", "NN"), Tags("", "NN", "VBZ"), Tags("", "NNS", "")]


def test_an_absent_pipeline_says_what_to_install(monkeypatch):
    monkeypatch.setattr(usage, "PIPELINES", ("no_such_pipeline",))
    usage.load_tagger.cache_clear()
    with pytest.raises(OSError, match="pip install"):
        usage.load_tagger()
