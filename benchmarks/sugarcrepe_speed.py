"""How long SugarCrepe takes on the CPU: `hf-hardneg evaluate`'s way against the authors' way, same accuracies.

Input of SugarCrepe's shape (7,511 pairs over 1,560 images, subsets and counts as published), made of your captions
and photos: a caption and a negative that differs in a word, an exchange or added words. A random-weight ViT-B/32 at
float32.

The authors' main_eval.py: batch of one, every image opened, preprocessed and encoded again for every pair, two texts
padded to 77 tokens each. It is timed on a random sample of the pairs, stated in the result, and its seconds scaled to
all of them; its choices on that sample must be ours, item by item. Ours runs on all pairs, from reading the files to
the last choice. Both in turns, with all cores; seconds of the clock and of the processor.

    python benchmarks/sugarcrepe_speed.py CAPTIONS.jsonl PHOTOS TOKENIZER [--pairs 7511 --sample 300]

CAPTIONS.jsonl has lines {"captions": [...]}; PHOTOS is a folder of .jpg; TOKENIZER a folder with CLIP's own.
"""

import argparse
import json
import random
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from vit_b32 import build, write_result

from hf_hardneg.evaluation.benchmarks import load_benchmark
from hf_hardneg.model.encoding import Encoder


# Published counts (RAIVNLab/sugar-crepe, data/*.json).
COUNTS = {
    "add_att": 692,
    "add_obj": 2062,
    "replace_att": 788,
    "replace_obj": 1652,
    "replace_rel": 1406,
    "swap_att": 666,
    "swap_obj": 245,
}
IMAGES = 1560
OTHER_WORDS = ("guitar", "purple", "under", "seven", "marble", "runs", "violin", "glass")


def change(caption: str, subset: str, rng: random.Random) -> str:
    """A negative of the subset's kind."""
    words = caption.split()
    place = rng.randrange(1, len(words))
    if subset.startswith("add"):
        return " ".join([*words[:place], rng.choice(OTHER_WORDS), "and", *words[place:]])
    if subset.startswith("swap"):
        other = rng.randrange(1, len(words))
        words[place], words[other] = words[other], words[place]
        return " ".join(words)
    return " ".join([*words[:place], rng.choice(OTHER_WORDS), *words[place + 1 :]])


def write_sugarcrepe(folder: Path, captions: str, photos: str, pairs: int) -> None:
    """Files in the authors' format; each image is one of your photos, cut a little differently each time.

    Captions are those of one image of yours each. The original has 11,844 distinct texts in its 15,022.
    """
    rng = random.Random(0)
    lines = [json.loads(line)["captions"] for line in open(captions, encoding="utf-8")]
    texts = [own for own in ([text.strip() for text in line if len(text.split()) > 4] for line in lines) if own]
    files = sorted(Path(photos).glob("*.jpg"))
    share = pairs / sum(COUNTS.values())
    number = max(2, round(IMAGES * share))
    (folder / "val2017").mkdir(parents=True)
    (folder / "data").mkdir()
    for i in range(number):
        with Image.open(files[i % len(files)]) as photo:
            cut = i // len(files)
            photo.convert("RGB").crop((cut, cut, photo.width, photo.height)).save(folder / "val2017" / f"{i:012}.jpg")
    for subset, count in COUNTS.items():
        rows = {}
        for i in range(max(1, round(count * share))):
            image = rng.randrange(number)
            caption = rng.choice(texts[image % len(texts)])  # as in the original, pairs share captions of an image
            row = {"filename": f"{image:012}.jpg", "caption": caption}
            rows[str(i)] = row | {"negative_caption": change(caption, subset, rng)}
        (folder / "data" / f"{subset}.json").write_text(json.dumps(rows))


def spread(model: Any) -> None:
    """Embeddings that differ: with transformers' initial weights all texts are so alike that rounding decides."""
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if "embedding" in name:
                weights.normal_(0, 0.3)


@torch.no_grad()
def authors_way(model: Any, processor: Any, folder: Path, items: list[dict[str, str]]) -> list[bool]:
    """Whether each item is right, one at a time."""
    right = []
    for item in items:
        texts = []
        for name in ("caption", "negative_caption"):
            tokens = processor.tokenizer(item[name], padding="max_length", max_length=77, return_tensors="pt")
            features = model.get_text_features(input_ids=tokens["input_ids"]).pooler_output
            texts.append(features / features.norm(dim=-1, keepdim=True))
        image = Image.open(folder / "val2017" / item["filename"])
        pixels = processor.image_processor(image, return_tensors="pt")
        features = model.get_image_features(**pixels).pooler_output
        features = features / features.norm(dim=-1, keepdim=True)
        scores = [(text.double() @ features.double().T).float().item() for text in texts]
        right.append(scores[0] > scores[1])
    return right


def our_way(model: Any, processor: Any, folder: Path) -> tuple[dict[str, bool], dict[str, float]]:
    """Whether each item is right, and the accuracy of each subset."""
    encoder = Encoder(model, processor, layout="auto")
    right, accuracy = {}, {}
    for task in load_benchmark(f"sugarcrepe={folder}"):
        for item in task.run(encoder).items:
            right[item["item"]] = item["outcomes"]["image_to_text"] == 1
    for subset in COUNTS:
        accuracy[subset] = 100 * float(np.mean([ok for name, ok in right.items() if name.startswith(f"{subset}/")]))
    return right, accuracy


def main() -> None:
    """Time both ways in turns and write the result beside this program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("captions")
    parser.add_argument("photos")
    parser.add_argument("tokenizer")
    parser.add_argument("--pairs", type=int, default=sum(COUNTS.values()))
    parser.add_argument("--sample", type=int, default=300, help="pairs that the authors' way is timed on")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--smoke", action="store_true", help="print, but leave the committed result alone")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_sugarcrepe(folder, args.captions, args.photos, args.pairs)
        items = {
            f"{subset}/{i}": row
            for subset in COUNTS
            for i, row in json.loads((folder / "data" / f"{subset}.json").read_text()).items()
        }
        sample = random.Random(1).sample(sorted(items), min(args.sample, len(items)))
        plain, processor = build(args.tokenizer)
        ours, _ = build(args.tokenizer)
        for model in (plain, ours):
            spread(model)
            model.eval()
        ours.load_state_dict(plain.state_dict())
        authors_way(plain, processor, folder, [items[key] for key in sample[:5]])  # warm up
        rounds = []
        for _ in range(args.rounds):
            began = np.array([time.perf_counter(), time.process_time()])
            theirs = authors_way(plain, processor, folder, [items[key] for key in sample])
            middle = np.array([time.perf_counter(), time.process_time()])
            right, accuracy = our_way(ours, processor, folder)
            ended = np.array([time.perf_counter(), time.process_time()])
            scaled, own = (middle - began) * len(items) / len(sample), ended - middle
            rounds.append({"authors_seconds_scaled": scaled.tolist(), "our_seconds": own.tolist()})
    same = sum(right[key] == ok for key, ok in zip(sample, theirs, strict=True))
    result = {
        "pairs": len(items),
        "images": len({row["filename"] for row in items.values()}),
        "distinct_texts": len({row[name] for row in items.values() for name in ("caption", "negative_caption")}),
        "sample_of_authors_way": len(sample),
        "rounds (clock, processor)": [{k: [round(v, 1) for v in pair] for k, pair in one.items()} for one in rounds],
        "times_as_fast": [round(one["authors_seconds_scaled"][0] / one["our_seconds"][0], 2) for one in rounds],
        "times_as_fast_in_processor_time": [
            round(one["authors_seconds_scaled"][1] / one["our_seconds"][1], 2) for one in rounds
        ],
        "same_choice_on_the_sample": f"{same} of {len(sample)}",
        "accuracy": accuracy,
        "accuracy_of_the_sample": {
            "authors": 100 * float(np.mean(theirs)),
            "ours": 100 * float(np.mean([right[key] for key in sample])),
        },
    }
    if args.smoke:
        print(json.dumps(result, indent=1))
    else:
        write_result(__file__, result)


if __name__ == "__main__":
    main()
