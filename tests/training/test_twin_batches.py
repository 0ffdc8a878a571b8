"""No twin is ever torn from the other, whatever the batches are; shares and counts are what was asked for."""

import math
from collections import Counter
from itertools import islice

import pytest
from accelerate.data_loader import BatchSamplerShard, SkipBatchSampler
from datasets import Dataset
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch.utils.data import BatchSampler

from hf_hardneg.training.arguments import HardNegCLIPTrainingArguments
from hf_hardneg.training.plan import count_steps
from hf_hardneg.training.twin_batches import (
    TwinSampler,
    count_pairs,
    draw_in_turn,
    find_twin_rows,
    make_twin_sampler,
    plan_batches,
)


def rows_of(pairs, singles):
    """Rows whose twins lie far apart: all first ones, the single images, all second ones."""
    pair_ids = [*range(pairs), *[None] * singles, *range(pairs)]
    return Dataset.from_dict({"pair_id": pair_ids, "image_id": list(range(len(pair_ids)))})


def batches_of(sampler, size, plan):
    """The batches of each process as accelerate makes them of Trainer's loader."""
    shards = []
    for process in range(plan["num_processes"]):
        batches = BatchSampler(sampler, size, plan["drop_last"])
        if plan["num_processes"] > 1:
            batches = BatchSamplerShard(batches, plan["num_processes"], process, plan["split_batches"])
        assert len(batches) == len(list(batches))
        shards.append(batches)
    return shards


@settings(max_examples=150, deadline=None)
@given(
    pairs=st.integers(1, 30),
    singles=st.integers(0, 60),
    share=st.one_of(st.sampled_from([0.25, 0.5, 1.0]), st.floats(0.01, 1)),
    size=st.integers(1, 17),
    epochs=st.integers(1, 4),
    seed=st.integers(0, 3),
    num_processes=st.integers(1, 4),
    drop_last=st.booleans(),
    split_batches=st.booleans(),
    skip=st.integers(0, 5),
)
def test_no_twin_is_ever_torn(
    pairs, singles, share, size, epochs, seed, num_processes, drop_last, split_batches, skip
):
    rows = rows_of(pairs, singles)
    pair_ids = rows["pair_id"][:]
    plan = {"num_processes": num_processes, "drop_last": drop_last, "split_batches": split_batches}
    trainers = size * num_processes if split_batches else size  # what Trainer calls the batch size
    twins = find_twin_rows(rows)
    try:
        planned = plan_batches(twins, share, trainers, **plan)
    except ValueError:
        assume(False)
    wanted = share * size / 2
    assert abs(planned.pairs - wanted) <= 0.5 or planned.pairs == size // 2
    sampler = TwinSampler(twins, planned, seed)
    seen = Counter()
    plain = BatchSampler(range(len(rows)), trainers, drop_last)
    expected = len(plain) if split_batches else (math.floor if drop_last else math.ceil)(len(plain) / num_processes)
    for epoch in range(epochs):
        sampler.set_epoch(epoch)
        for shard in batches_of(sampler, trainers, plan):
            found = list(shard)
            assert len(found) == expected  # as many as without twins
            for batch in found:
                assert len(batch) == size
                partners = Counter(pair_ids[i] for i in batch if pair_ids[i] is not None)
                assert sum(partners.values()) == 2 * planned.pairs and set(partners.values()) <= {2, 4}
                assert all(
                    batch[2 * k] % (pairs + singles) == batch[2 * k + 1] % (pairs + singles)
                    for k in range(planned.pairs)
                )
            assert [*islice(iter(SkipBatchSampler(shard, skip)), 99)] == found[
                skip:
            ]  # resumed in the middle of an epoch
            seen.update(i for batch in found for i in batch)
    for kind in (range(pairs), range(pairs, pairs + singles)):
        counts = [seen[i] for i in kind]
        assert not counts or max(counts) - min(counts) <= 1  # all once before any twice, over all epochs
    assert [seen[i] for i in range(pairs)] == [seen[pairs + singles + i] for i in range(pairs)]


@settings(max_examples=50, deadline=None)
@given(rows=st.integers(4, 60), size=st.integers(2, 9), drop_last=st.booleans())
def test_the_plan_counts_the_steps_of_twins_as_trainer_does(rows, size, drop_last):
    assume(rows // 4 >= size)
    args = HardNegCLIPTrainingArguments(
        output_dir="out", per_device_train_batch_size=size, num_train_epochs=1, report_to="none", use_cpu=True,
        dataloader_drop_last=drop_last,
    )  # fmt: skip
    twins = find_twin_rows(rows_of(rows // 4, rows - 2 * (rows // 4)))
    share = 0.5 if size > 2 else 1
    assert plan_batches(twins, share, size, drop_last=drop_last).batches == count_steps(args, rows)


def test_another_seed_and_another_epoch_give_another_order():
    twins = find_twin_rows(rows_of(20, 40))
    plan = plan_batches(twins, 0.5, 16)
    orders = []
    for seed, epoch in ((0, 0), (0, 1), (1, 0), (0, 0)):
        sampler = TwinSampler(twins, plan, seed)
        sampler.set_epoch(epoch)
        orders.append(list(sampler))
    assert orders[0] == orders[3] and orders[0] != orders[1] and orders[0] != orders[2]


def test_items_are_drawn_in_turn_whatever_the_pieces():
    whole = draw_in_turn(5, 0, 23, [1])
    pieces = [draw_in_turn(5, start, stop, [1]) for start, stop in ((0, 3), (3, 3), (3, 17), (17, 23))]
    assert [one for piece in pieces for one in piece] == whole.tolist()
    assert all(sorted(whole[i : i + 5]) == [0, 1, 2, 3, 4] for i in range(0, 20, 5))


@pytest.mark.parametrize(
    ("share", "size", "message"),
    [
        (0.5, 1, "twin_share 0.5 of a batch of 1 row is less than one pair"),
        (0.1, 8, "less than one pair of twins: raise twin_share"),
        (0.9, 4, "leaves no room for a single image: set twin_share to 1"),
    ],
)
def test_a_share_without_room_is_named(share, size, message):
    with pytest.raises(ValueError, match=message):
        count_pairs(share, size)


@pytest.mark.parametrize(
    ("pairs", "singles", "share", "size", "message"),
    [
        (3, 40, 1, 8, "is 4 pairs of twins, and there are only 3: lower twin_share"),
        (9, 0, 0.5, 8, "no single images for the rest: set twin_share 1, or"),
        (9, 0, 1, 7, "no single images for the rest: set an even per_device_train_batch_size"),
        (9, 3, 0.5, 8, "takes 4 single images beside 2 pairs of twins, and there are only 3"),
    ],
)
def test_rows_that_cannot_fill_a_batch_are_named(pairs, singles, share, size, message):
    with pytest.raises(ValueError, match=message):
        plan_batches(find_twin_rows(rows_of(pairs, singles)), share, size)


@pytest.mark.parametrize(
    ("pair_ids", "image_ids", "message"),
    [
        ([4, None, 5, 5], [0, 1, 2, 3], "1 of 2 pairs are no twins: pair_id 4 has 1 row, and a pair has two"),
        ([4, 4, 4, 5, 5], [0, 1, 2, 3, 4], "pair_id 4 has 3 rows"),
        (["a", "a", None], [7, 8, 9], "pair_id is 'a' in row 0; it must be a whole number"),
        ([4, 4, None], [7, 7, 8], "both rows of pair_id 4 have the image_id 7: give each image an id"),
    ],
)
def test_rows_that_are_no_twins_are_named(pair_ids, image_ids, message):
    with pytest.raises(ValueError, match=message):
        find_twin_rows(Dataset.from_dict({"pair_id": pair_ids, "image_id": image_ids}))


def test_twins_with_equal_captions_are_named():
    rows = rows_of(4, 8)
    captions = [f"a cup {i}" for i in range(len(rows))]
    captions[2], captions[14] = "A cup", "a cup "
    args = HardNegCLIPTrainingArguments(
        output_dir="out", per_device_train_batch_size=4, report_to="none", use_cpu=True
    )
    assert make_twin_sampler(rows, args, 4).plan.pairs == 1
    with pytest.raises(
        ValueError, match=r"both rows of pair_id 2 have the caption 'A cup': leave out such pairs \(1 of 4\)"
    ):
        make_twin_sampler(rows.add_column("caption", captions), args, 4)
