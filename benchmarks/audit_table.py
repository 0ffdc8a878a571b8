"""What the panel of readers tells of published negatives, of evenly drawn ones, and of ours.

    python benchmarks/audit_table.py CAPTIONS.jsonl NEGCLIP.tsv SUGARCREPE [--language_model MODEL] [--pairs 500]

CAPTIONS.jsonl has {"image_id": ..., "captions": [...]} on each line, NEGCLIP.tsv is NegCLIP's valid_neg_clip.tsv, and
SUGARCREPE is the folder of SugarCrepe's seven JSON files. Writes audit_table.json beside this file: figures only, no
text. With a language model, evenly spread captions with about --pairs pairs of each file are audited once more; the
other captions of the file then serve as a corpus. Figures that the file has already are kept.
"""

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from hf_hardneg.audit import Audit, Captions, audit_negatives
from hf_hardneg.columns import CAPTION, IMAGE_ID, NEGATIVE_CONCEPTS, NEGATIVES, with_negatives
from hf_hardneg.data.captions import read_captions
from hf_hardneg.data.negatives_files import CaptionNegatives, read_negatives
from hf_hardneg.negatives.add_negatives import BATCH, AddHardNegatives, fit_slot_model


FILE = Path(__file__).with_suffix(".json")


def draw(captions: str, number: int, is_even: bool) -> CaptionNegatives:
    """Our negatives at the defaults, or drawn evenly without a model of the captions."""
    rows, skipped = read_captions(captions)
    add = AddHardNegatives(num_negatives=number, model=None if is_even else fit_slot_model(rows.iter(BATCH)))
    rows = rows.map(add, batched=True, batch_size=BATCH, features=with_negatives(rows.features))
    columns = (rows[name][:] for name in (CAPTION, NEGATIVES, IMAGE_ID, NEGATIVE_CONCEPTS))
    return CaptionNegatives(*columns, skipped)


def find_files(args: argparse.Namespace) -> Iterator[tuple[str, CaptionNegatives]]:
    """Each set of negatives, by its name."""
    yield "ours, K = 1", draw(args.captions, 1, is_even=False)
    yield "ours, K = 3", draw(args.captions, 3, is_even=False)
    yield "evenly drawn, K = 1", draw(args.captions, 1, is_even=True)
    yield "NegCLIP", read_negatives(args.negclip)
    for file in sorted(Path(args.sugarcrepe).glob("*.json")):
        yield f"SugarCrepe {file.stem}", read_negatives(file)


def spread(found: CaptionNegatives, pairs: int) -> CaptionNegatives:
    """Evenly spread captions that have a negative, with about as many pairs as wanted."""
    covered = [i for i, negatives in enumerate(found.negatives) if negatives]
    total = sum(map(len, found.negatives))
    chosen = covered[:: max(1, round(total / pairs))]
    return CaptionNegatives(*([column[i] for i in chosen] if column else None for column in found[:4]), found.skipped)


def without_text(audit: Audit, seconds: float) -> dict[str, Any]:
    """Figures only, rounded."""
    content = json.loads(json.dumps(asdict(audit)), parse_float=lambda number: round(float(number), 2))
    figures = {name: value for name, value in content.items() if name != "giveaways"}
    return {**figures, "cpu_seconds": round(seconds, 1)}


def main() -> None:
    """Audit, write and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("captions")
    parser.add_argument("negclip")
    parser.add_argument("sugarcrepe")
    parser.add_argument("--language_model")
    parser.add_argument("--pairs", type=int, default=500)
    args = parser.parse_args()
    result = json.loads(FILE.read_text()) if FILE.exists() else {}
    result["command"] = "python benchmarks/audit_table.py CAPTIONS.jsonl valid_neg_clip.tsv sugarcrepe/data"
    result["versions"] = {name: version(name) for name in ("scikit-learn", "scipy", "numpy", "transformers", "spacy")}
    key = "with_language_model" if args.language_model else "without_language_model"
    of_files = result.setdefault(key, {})
    for name, found in tqdm(find_files(args), desc="Files"):
        chosen = spread(found, args.pairs) if args.language_model else found
        begin = time.process_time()
        corpus = Captions(found.captions, found.image_ids) if args.language_model else None
        audit = audit_negatives(*chosen[:4], corpus=corpus, language_model=args.language_model)
        of_files[name] = without_text(audit, time.process_time() - begin)
        if args.language_model:
            of_files[name]["language_model"] = Path(args.language_model).name
        FILE.write_text(json.dumps(result, indent=1) + "\n")
        print(name, {reader: round(told.share, 1) for reader, told in audit.readers.items()}, flush=True)


if __name__ == "__main__":
    main()
