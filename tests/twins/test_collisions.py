"""The join of captions by the hashes of their frames."""

import subprocess
import sys
from collections import defaultdict

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_hardneg.twins.collisions import RECORD, colliding, in_chunks, keep_frames


def records_of(values):
    """Records of (frame, word, is_cut); every record is another caption."""
    keys = [
        (key * 0x9E3779B97F4A7C15 % 2**64, (i * 7919) % 1009, i, form, 0, 5, cut) for i, (key, form, cut) in values
    ]
    return np.array(keys, RECORD)


ENTRIES = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), st.integers(0, 1)), max_size=60)


@given(ENTRIES, st.randoms(use_true_random=False), st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_frames_with_two_words_are_kept_in_any_order(entries, random, members):
    numbered = list(enumerate(entries))
    kept = keep_frames(records_of(numbered), members)
    shuffled = random.sample(numbered, len(numbered))
    assert keep_frames(records_of(shuffled), members).tolist() == kept.tolist()
    words = defaultdict(set)
    for key, form, _ in entries:
        words[key].add(form)
    sizes = {key: sum(one[0] == key for one in entries) for key, found in words.items() if len(found) > 1}
    assert len(kept) == sum(min(size, members) for size in sizes.values())
    for key in np.unique(kept["key"]):
        found = kept["form"][kept["key"] == key]
        assert len(set(found.tolist())) >= min(2, members, len(found))


@given(ENTRIES, st.integers(1, 20))
@settings(max_examples=30, deadline=None)
def test_files_and_chunks_lose_nothing_and_tear_no_frame(entries, size):
    records = records_of(list(enumerate(entries)))
    parts = [records[i : i + 7] for i in range(0, len(records), 7)]
    joined = [part for found in colliding(parts) for part in in_chunks(found, size)]
    expected = keep_frames(records)
    assert sorted(one for part in joined for one in part.tolist()) == sorted(expected.tolist())
    keys = [key for part in joined for key in np.unique(part["key"]).tolist()]
    assert len(keys) == len(set(keys))


def test_a_full_disk_is_told_with_the_folder_to_make_room_in():
    code = (
        "import resource, signal\nimport numpy as np\nfrom hf_hardneg.twins import collisions\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"  # of each file; the disk of a test is not full
        "list(collisions.colliding([np.zeros(9, collisions.RECORD)]))"
    )
    end = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "Temporary files could not be written to" in end.stderr.splitlines()[-1]


def test_of_a_frequent_frame_each_word_gets_its_share():
    entries = [(0, 0, 0)] * 500 + [(0, 1, 0)] * 3 + [(0, 2, 1)] * 2
    assert np.bincount(keep_frames(records_of(list(enumerate(entries))), 10)["form"]).tolist() == [5, 3, 2]
    entries = [(0, 0, 1)] * 500 + [(0, 0, 0)] + [(0, 1, 1)]  # of a word, the whole caption comes first
    assert keep_frames(records_of(list(enumerate(entries))), 2)["is_cut"].tolist() == [0, 1]
