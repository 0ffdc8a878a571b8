import pytest

from hf_hardneg import usage
from hf_hardneg.usage import make_window, tag_windows


def test_a_verdict_does_not_depend_on_what_else_is_asked():
    windows = [
        make_window(text.split(), 1, 2) for text in ("an orange cat sits", "an orange on it", "a train is late")
    ]
    usage._remembered.clear()
    together = tag_windows(windows)
    usage._remembered.clear()
    assert together == {window: tag_windows([window])[window] for window in reversed(windows)}


def test_a_full_memory_starts_anew_and_answers_the_same(monkeypatch):
    windows = [make_window(text.split(), 1, 2) for text in ("an orange cat sits", "the train is late")]
    usage._remembered.clear()
    first = tag_windows(windows)
    monkeypatch.setattr(usage, "MOST_REMEMBERED", 2)
    tag_windows([make_window("a bear sleeps".split(), 1, 2)])
    assert tag_windows(windows) == first and len(usage._remembered) <= 3


def test_an_absent_pipeline_says_what_to_install(monkeypatch):
    monkeypatch.setattr(usage, "PIPELINES", ("no_such_pipeline",))
    usage.load_tagger.cache_clear()
    with pytest.raises(OSError, match="pip install"):
        usage.load_tagger()
