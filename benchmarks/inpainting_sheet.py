"""Build pairs from a COCO-format folder with the classical editor, draw some for a person to judge, and measure.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/inpainting_sheet.py COCO_DIR OUT_DIR [--draw_seed 11]

Writes OUT_DIR/contact_sheet.png and prints counts, what the promises come to, photos per second and memory. The sheet
shows other people's photos: it stays out of the project. Judgments of it are in inpainting_judged.json.
"""

import argparse
import json
import resource
import time
from importlib.metadata import version

import cv2
import numpy as np

from hf_hardneg.data.coco_photos import read_coco_photos
from hf_hardneg.inpainting.build import build_pairs
from hf_hardneg.inpainting.edit.classical import ClassicalEditor
from hf_hardneg.inpainting.journal import load_image, read_journal
from hf_hardneg.inpainting.journal_items import read_items
from hf_hardneg.inpainting.review.contact_sheet import sample_items, write_contact_sheet


def peak_memory() -> float:
    """Peak resident memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def check_promises(folder: str) -> dict[str, float]:
    """Largest difference outside a mask, pairs whose captions differ in one span, largest share of a mask."""
    outside, share, spans = 0, 0.0, 0
    items = [item for item in read_items(read_journal(folder)).values() if item.is_accepted]
    for item in items:
        made = next(one for one in item.candidates if one.reason is None)
        pair = made.proposal
        photo, image, mask = (load_image(folder, digest) for digest in (item.photo, made.image, made.mask))
        difference = np.abs(photo.astype(int) - image)[mask == 0]
        outside = max(outside, int(difference.max(initial=0)))
        share = max(share, float((mask > 0).mean()))
        spans += pair.new_caption == pair.caption[: pair.start] + pair.new_text + pair.caption[pair.end :]
    return {"pairs": len(items), "outside_difference": outside, "one_span": spans, "largest_mask": round(share, 3)}


def main() -> None:
    """Build, check, draw, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("coco")
    parser.add_argument("out")
    parser.add_argument("--number", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0, help="of the build")
    parser.add_argument("--draw_seed", type=int, default=0, help="of the sheet")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    before, start = peak_memory(), time.perf_counter()
    summary = build_pairs(args.coco, args.out, ClassicalEditor, seed=args.seed)
    seconds = time.perf_counter() - start
    items = read_items(read_journal(args.out)).values()
    photos = len(read_coco_photos(args.coco)[0])
    write_contact_sheet(args.out, f"{args.out}/contact_sheet.png", number=args.number, seed=args.draw_seed)
    figures = {
        "accepted": dict(summary.accepted),
        "rejected": dict(summary.rejected),
        "skipped": dict(summary.skipped),
        **check_promises(args.out),
        "photos": photos,
        "seconds": round(seconds, 1),
        "photos_per_second": round(photos / seconds, 2),
        "memory_before_mb": round(before),
        "memory_peak_mb": round(peak_memory()),
        "opencv": version("opencv-python-headless"),
        "drawn": [item.proposal.key for item in sample_items(args.draw_seed, args.number, items)],
    }
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
