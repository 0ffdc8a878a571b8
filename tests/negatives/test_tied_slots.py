"""A word that belongs to the words beside it, as in "bottle of milk", takes only words that captions have there."""

from hf_hardneg.columns import NEGATIVE_NEWS, NEGATIVE_OLDS
from hf_hardneg.negatives.add_negatives import AddHardNegatives, fit_slot_model


TEXTS = [f"a {vessel} of milk is on table {i}" for vessel in ("bottle", "plate", "cup", "bucket") for i in range(4)]
TEXTS += [f"a tray is on table {i}" for i in range(8)]  # never of milk
SEEDS = range(12)


def drawn(other_captions):
    """The words that replace "bottle" for any of the seeds, where images have such other captions."""
    rows = {"caption": TEXTS, "image_id": list(range(len(TEXTS))), "other_captions": [other_captions] * len(TEXTS)}
    model = fit_slot_model([rows], ("object",))
    batches = [AddHardNegatives(3, seed, ("object",), model=model, temperature=1.0)(rows) for seed in SEEDS]
    of_bottles = [
        pairs for batch in batches for pairs in list(zip(batch[NEGATIVE_OLDS], batch[NEGATIVE_NEWS], strict=True))[:4]
    ]
    return {new for olds, news in of_bottles for old, new in zip(olds, news, strict=True) if old.endswith("bottle")}


def test_a_tied_word_takes_only_words_that_captions_have_there():
    assert {word.split()[-1] for word in drawn([])} == {"plate", "cup", "bucket"}


def test_a_tied_word_takes_none_that_the_filter_rejects():
    assert {word.split()[-1] for word in drawn(["there is a plate"])} == {"cup", "bucket"}
