"""The page on which 200 of our negatives are judged. It holds other people's captions: keep it out of the project.

python benchmarks/negatives_sample.py CAPTIONS.jsonl --out page.html [--seed 3]
"""

import argparse
from collections import Counter
from pathlib import Path

from hf_hardneg.data.captions import read_captions
from hf_hardneg.negatives.add_negatives import BATCH, AddHardNegatives, fit_slot_model
from hf_hardneg.negatives.dataset_folder import SAMPLED
from hf_hardneg.negatives.judge_page import build_sample_page, sample_negatives


def main() -> None:
    """Draw, write the page, and print how many of each concept are on it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("captions")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=3)
    args = parser.parse_args()
    rows, _ = read_captions(args.captions)
    add = AddHardNegatives(model=fit_slot_model(rows.iter(BATCH)))
    made = {"caption": rows["caption"][:], **add(rows[:])}
    chosen = {name: made[name] for name in SAMPLED}
    args.out.write_text(build_sample_page(chosen, "Negatives", seed=args.seed), encoding="utf-8")
    print(dict(Counter(row["concept"] for row in sample_negatives(chosen, seed=args.seed))), args.out)


if __name__ == "__main__":
    main()
