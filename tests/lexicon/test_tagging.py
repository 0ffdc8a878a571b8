import random

import pytest
import spacy
from spacy.tokens import Doc
from thinc.api import get_current_ops
from threadpoolctl import threadpool_info, threadpool_limits

from hf_hardneg.lexicon import tagger_network
from hf_hardneg.lexicon import tagging as usage
from hf_hardneg.lexicon.index import load_index
from hf_hardneg.lexicon.tagging import NO_NOUNS, PIPELINES, SHOWN, Tags, tag_windows


@pytest.fixture(scope="module")
def plain_tagger():
    """The pipeline as spaCy loads it."""
    [name, *_] = [name for name in PIPELINES if spacy.util.is_package(name)]
    return spacy.load(name, exclude=["parser", "attribute_ruler", "lemmatizer", "ner"])


def random_windows(number):
    """Windows of concept words, function words and odd tokens, at all edges of a caption."""
    rng = random.Random(0)
    phrases = [phrase.words for group in load_index().phrases.values() for phrase in group.starting_with("")]
    phrases += [
        phrase.words for group in load_index().phrases.values() for more in group.longer.values() for phrase in more
    ]
    phrases = [phrase for phrase in phrases if len(phrase) < 4]
    others = [
        *sorted(NO_NOUNS),
        ",",
        ".",
        "50's",
        "tv",
        "x2y7",
        "\U0001f697",
        "café",
        *(words[0] for words in phrases),
    ]
    for _ in range(number):
        left, right = rng.choices((0, 1, SHOWN), (1, 1, 3), k=2)
        before, after = [""] * (SHOWN - left) + rng.choices(others, k=left), rng.choices(others, k=right)
        yield (*before, *rng.choice(phrases), *after, *[""] * (SHOWN - right))


def test_the_tags_are_those_of_spacys_own_run(plain_tagger):
    windows = list(dict.fromkeys(random_windows(4000)))
    usage._remembered.clear()
    tags = tag_windows(windows)
    docs = plain_tagger.pipe(Doc(plain_tagger.vocab, words=[word for word in window if word]) for window in windows)
    for window, doc in zip(windows, docs, strict=True):
        found = iter([token.tag_ for token in doc])
        _, before, *inside, after, _ = [next(found) if word else "" for word in window]
        assert tags[window] == Tags(before, inside[-1], after), window
    assert {len(window) - 2 * SHOWN for window in windows} == {1, 2, 3}


def test_loading_the_tagger_leaves_other_pipelines_as_they_are(plain_tagger):
    usage.load_tagger.cache_clear()
    before = get_current_ops()
    tagger = usage.load_tagger()
    assert get_current_ops() is before and get_current_ops().use_blis
    for pipeline, uses_blis in ((plain_tagger, True), (tagger, False), (spacy.load(plain_tagger.path), True)):
        layers = [layer for name in ("tok2vec", "tagger") for layer in pipeline.get_pipe(name).model.walk()]
        assert {layer.ops.use_blis for layer in layers} == {uses_blis}


def test_the_tagger_works_on_one_thread_and_gives_the_others_back(monkeypatch):
    def threads():
        return {
            library["filepath"]: library["num_threads"]
            for library in threadpool_info()
            if library["user_api"] == "blas"
        }

    seen = []
    convolve = tagger_network._convolve
    monkeypatch.setattr(tagger_network, "_convolve", lambda *args: seen.append(threads()) or convolve(*args))
    tagger_network._libraries.cache_clear()  # other tests have loaded more libraries since
    with threadpool_limits(2, user_api="blas"):
        before = threads()
        tag_windows([("", "an", "orange", "thread", "sits")])
        assert threads() == before and 2 in before.values()
    assert len(seen) == 4 and all(set(during.values()) == {1} for during in seen)


def test_a_tagger_of_another_kind_is_refused_with_what_to_install(plain_tagger, tmp_path, monkeypatch):
    config = {"model": {"@architectures": "spacy.HashEmbedCNN.v2", "width": 8, "depth": 2, "embed_size": 9}}
    config["model"] |= {"window_size": 2, "maxout_pieces": 2, "subword_features": True, "pretrained_vectors": None}
    other = spacy.blank("en")
    other.add_pipe("tok2vec", config=config)
    other.add_pipe("tagger").add_label("NN")
    other.initialize()
    monkeypatch.setattr(spacy, "load", lambda name, **options: other)
    usage.load_tagger.cache_clear()
    with pytest.raises(OSError, match="of another kind: .*pip install"):
        usage.load_tagger()
    usage.load_tagger.cache_clear()


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
    with pytest.raises(OSError, match="No English spaCy pipeline is installed.* pip install"):
        usage.load_tagger()
    usage.load_tagger.cache_clear()
