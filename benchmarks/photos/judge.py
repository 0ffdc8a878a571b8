"""Judge a model on photos and captions that no run has seen.

`prepare_tasks` writes the held-out negatives of three makers once. `python benchmarks/photos/judge.py TASKS MODEL FILE
[MODEL FILE ...]` then scores models on them, with the right and the wrong image, on natural twins and on retrieval.
"""

import random
import sys
from collections import defaultdict
from itertools import chain
from pathlib import Path

import spacy
from datasets import Dataset, load_from_disk
from spacy.language import Language

from hf_hardneg.columns import CAPTION, IMAGE_ID, NEGATIVE_CONCEPTS, NEGATIVES, with_negatives
from hf_hardneg.data import load_coco
from hf_hardneg.evaluation.benchmarks import load_benchmark
from hf_hardneg.evaluation.own_negatives import negatives_task
from hf_hardneg.evaluation.retrieval import rows_task
from hf_hardneg.evaluation.tasks import Task
from hf_hardneg.lexicon.tagging import PIPELINES
from hf_hardneg.model.encoding import load_encoder
from hf_hardneg.model.image_features import TowerFeatures
from hf_hardneg.negatives import AddHardNegatives, SlotModel, fit_slot_model
from hf_hardneg.twins import TwinOptions, make_twins


sys.path.insert(0, str(Path(__file__).parents[1]))
from paired_runs import save_outcomes  # noqa: E402, it is in the folder above


SPLIT, SEED, K = "val", 0, 3
TWINS = "natural_twins"
MAKERS = ("own negatives", "drawn evenly", "NegCLIP's recipe")
TAGS = {"NOUN": "nouns", "ADJ": "adjectives", "VERB": "verbs", "ADV": "adverbs"}


def load_parser() -> Language:
    """SpaCy's small English pipeline with what sets parts of speech, under the name that it is installed by."""
    name = next(name for name in PIPELINES if spacy.util.is_package(name))
    return spacy.load(name, exclude=["ner", "lemmatizer", "parser"])


def add_swaps(batch: dict[str, list]) -> dict[str, list]:
    """NegCLIP's recipe: exchange two words of one part of speech in a caption.

    Yuksekgonul et al. 2023, When and Why Vision-Language Models Behave like Bags-of-Words, appendix A
    (https://arxiv.org/abs/2210.01936). Theirs also exchanges noun phrases.
    """
    pipeline = load_parser()
    swaps: dict[str, list] = {NEGATIVES: [], NEGATIVE_CONCEPTS: []}
    for doc in pipeline.pipe(batch[CAPTION]):
        draw = random.Random(f"{SEED} {doc.text}")
        words = defaultdict(list)
        for token in doc:
            if token.pos_ in TAGS:
                words[token.pos_].append(token)
        usable = [tag for tag, tokens in words.items() if len({token.lower_ for token in tokens}) > 1]
        made = []
        for tag in draw.sample(usable, len(usable)):
            first, second = draw.sample(sorted({token.lower_: token for token in words[tag]}.values()), 2)
            texts = [token.text_with_ws for token in doc]
            for one, other in ((first, second), (second, first)):
                texts[one.i] = other.text + one.whitespace_
            made.append(("".join(texts), TAGS[tag]))
        swaps[NEGATIVES].append([text for text, _ in made[:1]])
        swaps[NEGATIVE_CONCEPTS].append([kind for _, kind in made[:1]])
    return swaps


def add_negatives(rows: Dataset, maker: str, model: SlotModel | None, count: int) -> Dataset:
    """The rows with the negatives of a maker."""
    if maker == MAKERS[2]:
        return rows.map(add_swaps, batched=True, batch_size=None, desc=maker)
    add = AddHardNegatives(num_negatives=count, seed=SEED, model=model)
    return rows.map(add, batched=True, features=with_negatives(rows.features), desc=maker)


def place_of(maker: str, folder: Path) -> Path:
    """Where the negatives of a maker are."""
    return folder / maker.replace(" ", "_").replace("'", "")


def prepare_negatives(photos: str, folder: Path) -> None:
    """Write training captions with one negative of each maker, unless they are there.

    All makers have the same captions: those for which each of them has a negative. So only the maker differs.
    """
    files = [place_of(maker, folder).with_suffix(".jsonl") for maker in MAKERS]
    if all(file.is_file() for file in files):
        return
    rows, _ = load_coco(photos, "train", 1, None)
    model = fit_slot_model(rows.iter(1000))
    made = [add_negatives(rows, maker, model if maker == MAKERS[0] else None, 1) for maker in MAKERS]
    in_rows = zip(*(of_maker[NEGATIVES] for of_maker in made), strict=True)
    for_all = [i for i, negatives in enumerate(in_rows) if all(negatives)]
    folder.mkdir(parents=True, exist_ok=True)
    for file, of_maker in zip(files, made, strict=True):
        part = file.with_suffix(".part")
        of_maker.select(for_all).select_columns([IMAGE_ID, CAPTION, NEGATIVES]).to_json(part)
        part.replace(file)  # a file that is there is complete


def prepare_twins(photos: str, folder: Path, split: str) -> None:
    """Write the natural twins of a split, unless they are there."""
    if not folder.is_dir():
        make_twins(photos, folder, TwinOptions(split=split))


def prepare_tasks(photos: str, folder: Path) -> None:
    """Write the held-out captions with the negatives of each maker, unless they are there."""
    prepare_twins(photos, folder / TWINS, SPLIT)
    missing = [maker for maker in MAKERS if not place_of(maker, folder).is_dir()]
    if not missing:
        return
    rows, _ = load_coco(photos, SPLIT, 1, None)
    counted, _ = load_coco(photos, "train", 1, None)
    model = fit_slot_model(chain(rows.iter(1000), counted.iter(1000)))
    for maker in missing:
        place = place_of(maker, folder)
        part = place.with_suffix(".part")
        add_negatives(rows, maker, model if maker == MAKERS[0] else None, K).save_to_disk(str(part))
        part.replace(place)


def load_tasks(folder: Path) -> dict[str, Task]:
    """The tasks that `prepare_tasks` wrote, by name."""
    rows = {maker: load_from_disk(str(place_of(maker, folder))) for maker in MAKERS}
    tasks: dict[str, Task] = {maker: negatives_task(maker, of_maker) for maker, of_maker in rows.items()}
    (twins,) = load_benchmark(f"natural_twins={folder / TWINS}")
    return tasks | {"natural twins": twins, "retrieval": rows_task("retrieval", rows[MAKERS[0]])}


def main() -> None:
    """Judge models and save the outcomes of every item of every task: judge.py TASKS MODEL FILE.npz [MODEL ...]."""
    folder, *models_and_files = sys.argv[1:]
    tasks, tower_features = load_tasks(Path(folder)), TowerFeatures()
    for model, file in zip(models_and_files[::2], models_and_files[1::2], strict=True):
        encoder = load_encoder(model, tower_features)
        save_outcomes({name: task.run(encoder).scores for name, task in tasks.items()}, Path(file))


if __name__ == "__main__":
    main()
