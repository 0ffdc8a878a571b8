"""spaCy's tagger over many short texts: what texts have in common is computed once.

The network embeds each word alone. Then each of a few convolutions mixes a word with its two neighbors. So what the
k-th convolution gives at a word depends on the 2k + 1 words around it, and each different run of words is computed
once. The layers and their weights are spaCy's own, and so are the tags.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import ThreadpoolController


if TYPE_CHECKING:
    from spacy.language import Language
    from thinc.api import Model

ROWS = 1024  # of a matrix product; its result then stays in the processor's cache
_CONVOLUTION = "residual(expand_window>>maxout>>layernorm>>dropout)"


def network_layers(tagger: "Language") -> "tuple[Model, list[Model], Model]":
    """Take the network apart.

    Returns:
        What embeds words; of each convolution what it adds to a word, given the word between its neighbors; and what
        scores the tags.

    Raises:
        ValueError: If the network is built otherwise.
    """
    tok2vec: Any = tagger.get_pipe("tok2vec")
    of_tags: Any = tagger.get_pipe("tagger")
    network = tok2vec.model
    embed, encode = network.get_ref("embed"), network.get_ref("encode")
    convolutions = encode.layers[0].layers
    names = {convolution.name for convolution in convolutions}
    if names != {_CONVOLUTION} or encode.attrs["pad"] != len(convolutions):
        raise ValueError(f"its layers are {encode.name}, and not convolutions over three words")
    return embed, [one.layers[0].layers[1] for one in convolutions], of_tags.model.layers[-1]


@lru_cache
def _libraries() -> ThreadpoolController:
    """The libraries that multiply matrices; to find them takes 8 ms."""
    return ThreadpoolController()


def tag_inner_words(tagger: "Language", texts: Sequence[Sequence[str]]) -> list[list[str]]:
    """Tag the words of texts of one length.

    Args:
        tagger: A pipeline with tok2vec and tagger.
        texts: N texts of L words each. "" stands for no word, at either end only.

    Returns:
        N lists of L - 2 tags: of each word but the first and the last one. Where there is no word, the tag is "".
    """
    from spacy.tokens import Doc

    embed, mixers, score = network_layers(tagger)
    words = [word for word in dict.fromkeys(word for text in texts for word in text) if word]
    number = {"": 0, **{word: i for i, word in enumerate(words, 1)}}
    size, beyond = len(texts[0]), len(mixers) - 1
    inner = np.fromiter((number[word] for text in texts for word in text), np.int64).reshape(-1, size)
    runs = np.pad(inner, ((0, 0), (beyond, beyond)))
    # The products are small: with several threads they take twice the time of the clock, and more of the processors.
    with _libraries().limit(limits=1, user_api="blas"):
        [embedded] = embed.predict([Doc(tagger.vocab, words=words)])
        vectors = np.concatenate([np.zeros_like(embedded[:1]), embedded])
        for mixer in mixers:
            vectors, runs = _convolve(mixer, vectors, runs)
        best = score.predict(vectors).argmax(-1)
    of_tags: Any = tagger.get_pipe("tagger")
    labels = of_tags.labels
    tags = np.array([*labels, ""])[np.where(inner[:, 1:-1] > 0, best[runs], len(labels))]
    return tags.tolist()


def _convolve(mixer: "Model", vectors: np.ndarray, runs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One convolution: of a run of words and its two neighbors, which overlap, it makes one longer run.

    Args:
        mixer: What the convolution adds to the vector in the middle.
        vectors: (R, D) of the different runs.
        runs: (N, L) which runs stand in each text; R is below 2**21.

    Returns:
        (S, D) the vectors of the longer runs, and (N, L - 2) which of them stand in each text.
    """
    count = len(vectors)
    keys = (runs[:, :-2] * count + runs[:, 1:-1]) * count + runs[:, 2:]
    different, of_texts = np.unique(keys, return_inverse=True)
    before, middle, after = different // count**2, different // count % count, different % count
    triples = np.stack([before, middle, after], axis=-1)
    added = [
        mixer.predict(vectors[triples[start : start + ROWS]].reshape(-1, 3 * vectors.shape[1]))
        for start in range(0, len(triples), ROWS)
    ]
    return vectors[middle] + np.concatenate(added), of_texts.reshape(keys.shape)
