"""Two real gloo processes on a stream: each row once, equal numbers of batches, the losses of one process."""

from collections import Counter

import pytest
import torch
from datasets import load_from_disk
from helpers.processes import run_ranks
from helpers.streams import photos, write_parquet
from transformers import CLIPModel, CLIPProcessor

from hf_hardneg.columns import with_negatives
from hf_hardneg.data.streaming import find_stream_columns, open_stream
from hf_hardneg.lexicon.concepts import CONCEPTS
from hf_hardneg.negatives.add_negatives import AddHardNegatives
from hf_hardneg.scenes.world import scene_rows, scene_twins
from hf_hardneg.training.arguments import HardNegCLIPTrainingArguments
from hf_hardneg.training.caption_stream import CaptionStream, SkipCounts
from hf_hardneg.training.gather import NO_ROW
from hf_hardneg.training.make_start_model import build_model
from hf_hardneg.training.stream_loader import LoaderSettings, StreamLoader
from hf_hardneg.training.trainer import HardNegCLIPTrainer


# The rows of each shard, the workers of each process, and whether the first process reads for both.
READS = {
    "one shard": ([9], 0, False),
    "one shard, two workers": ([9], 2, False),
    "uneven shards": ([17, 2], 0, False),
    "uneven shards, two workers": ([11, 1, 5, 3], 2, False),
    "an empty shard": ([0, 6], 0, False),
    "less than a batch": ([3], 2, False),
    "a single row": ([1], 0, False),
    "dispatched": ([9, 2], 0, True),
    "dispatched, a single row": ([1], 0, True),
}
FIRST_TWIN = 1_000_000  # twins are numbered from here, two by two
RUNS = {
    "own part": {},
    "own part, one negative": {"num_negatives": 1},
    "own part, no negatives": {"num_negatives": 0},
    "grad cache": {"grad_cache_rows": 3},
    "dispatched": {"accelerator_config": {"dispatch_batches": True}},
    "dispatched, grad cache": {"accelerator_config": {"dispatch_batches": True}, "grad_cache_rows": 3},
}


def image_ids(rows):
    """Make a batch of rows that holds nothing but what a filler needs."""
    ids = torch.tensor([row["image_id"] for row in rows])
    return {"negative_concepts": torch.zeros(len(rows), 1), "image_id": ids}


class Words:
    """A tokenizer."""

    def __call__(self, texts, **options):
        return {"input_ids": [text.split() for text in texts]}


def stream_of(source, twins=None):
    raw = open_stream(source)
    columns = find_stream_columns(raw, source, None, None)
    return CaptionStream(
        raw, columns, None, Words(), 99, 99, False, None, frozenset(), 5, 0, True, SkipCounts(2), twins
    )


def read(rank, folder):
    """The image ids of each batch of one pass, and how the next pass begins."""
    found = {}
    for name, (_, workers, is_dispatched) in READS.items():
        how = LoaderSettings(2, workers, rank, 2, is_dispatched, torch.device("cpu"), 0, False, {})
        loader = StreamLoader(stream_of(f"{folder}/{name}"), image_ids, how, is_endless=False)
        found[name] = [batch["image_id"].tolist() for batch in loader]
        # With two pairs of twins before each single image.
        twins = scene_twins("stream processes", dict.fromkeys(CONCEPTS, 1), first_image=FIRST_TWIN)
        how = LoaderSettings(5, workers, rank, 2, is_dispatched, torch.device("cpu"), 0, False, {}, pairs=2)
        loader = StreamLoader(stream_of(f"{folder}/{name}", twins), image_ids, how, is_endless=False)
        found[f"{name}, twins"] = [batch["image_id"].tolist() for batch in loader]
    return found


def train(rank, world_size, folder):
    """The losses of two steps and the scores of a streamed evaluation, for each of RUNS."""
    processor = CLIPProcessor.from_pretrained(folder)
    results = {}
    for name, settings in RUNS.items():
        args = HardNegCLIPTrainingArguments(
            output_dir=f"{folder}/out{world_size}",
            use_cpu=True,
            per_device_train_batch_size=8 // world_size,
            per_device_eval_batch_size=6 // world_size,
            max_steps=3,  # The third step is in the second pass.
            learning_rate=0.1,
            optim="sgd",
            max_grad_norm=0,
            report_to="none",
            save_strategy="no",
            logging_steps=1,
            disable_tqdm=True,
            **settings,
        )
        stream = load_from_disk(f"{folder}/rows").to_iterable_dataset()
        model = CLIPModel.from_pretrained(folder)
        trainer = HardNegCLIPTrainer(model, args, train_dataset=stream, processing_class=processor)
        trainer.train()
        losses = [log["loss"] for log in trainer.state.log_history if "loss" in log]
        scores = trainer.evaluate(stream)
        # 15 rows make a last batch of 3, which accelerate fills up to 4 with rows that must not count twice.
        scores |= trainer.evaluate(load_from_disk(f"{folder}/rows").select(range(15)), metric_key_prefix="sized")
        results[name] = losses, {key: scores[key] for key in scores if "accuracy" in key}
    return results


def work(rank, world_size, folder):
    results = {"runs": train(rank, world_size, folder)}
    if world_size > 1:
        results["reads"] = read(rank, folder)
    torch.save(results, f"{folder}/results{world_size}-{rank}")


@pytest.fixture(scope="module")
def results(tmp_path_factory, processor):
    """What one process found, and what each of two did."""
    folder = tmp_path_factory.mktemp("stream_processes")
    for name, (sizes, *_) in READS.items():
        write_parquet(folder / name, photos(sum(sizes)), sizes)
    build_model(processor.tokenizer, num_hidden_layers=1).save_pretrained(folder)
    processor.save_pretrained(folder)
    rows = scene_rows("stream processes", 16)
    rows = rows.map(AddHardNegatives(), batched=True, features=with_negatives(rows.features))
    rows.save_to_disk(folder / "rows")
    for world_size in (1, 2):
        run_ranks(work, world_size, folder, world_size, str(folder))
    return [torch.load(folder / f"results{name}", weights_only=False) for name in ("1-0", "2-0", "2-1")]


@pytest.mark.parametrize("name", READS)
def test_two_processes_read_each_row_once_in_equally_many_batches(results, name):
    _, first, second = (found.get("reads", {}).get(name) for found in results)
    assert len(first) == len(second) >= 1
    read = Counter(row for batch in [*first, *second] for row in batch if row != NO_ROW)
    assert set(read.values()) == {1} and len(read) == sum(READS[name][0])
    # In no step have all processes nothing but fillers.
    assert all({*one, *other} != {NO_ROW} for one, other in zip(first, second, strict=True))


@pytest.mark.parametrize("name", READS)
def test_two_processes_put_whole_pairs_beside_the_rows_of_a_stream(results, name):
    _, first, second = (found.get("reads", {}).get(f"{name}, twins") for found in results)
    assert len(first) == len(second) >= 1
    batches = [batch for batch in [*first, *second] if NO_ROW not in batch]
    assert Counter(row for *_, row in batches) == {row: 1 for *_, row in batches}
    assert len(batches) == sum(READS[name][0])
    for batch in batches:
        twins = [image_id - FIRST_TWIN for image_id in batch[:4]]
        assert twins[0] + 1 == twins[1] and twins[2] + 1 == twins[3] and not twins[0] % 2 and not twins[2] % 2
    assert len({tuple(batch[:4]) for batch in batches}) > len(batches) / 4


@pytest.mark.parametrize("name", RUNS)
def test_two_processes_have_the_losses_and_scores_of_one_on_a_stream(results, name):
    (losses, scores), *others = (found["runs"][name] for found in results)
    controls = {f"{kind}_accuracy_{end}" for kind in ("eval", "sized") for end in ("wrong_image", "by_looking")}
    assert len(losses) == 3 and (scores.keys() >= controls or RUNS[name].get("num_negatives") == 0)
    for of_process in others:
        assert of_process[1] == pytest.approx(scores, abs=1e-4)
    assert others[0][0] == pytest.approx(losses, abs=2e-6)
