"""Memory of the classical editor over a thousand items and more.

The folder is taken several times over, each time a little darker, so that no edit is the same as one before.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/inpainting_memory.py COCO_DIR [--copies 8] [--json FILE]

Prints resident memory after each hundred decisions.
"""

import argparse
import json
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import psutil
from PIL import Image, ImageEnhance
from tqdm.auto import tqdm

from hf_hardneg.data.coco_photos import read_coco_photos
from hf_hardneg.inpainting.build import build_pairs
from hf_hardneg.inpainting.check.gates import GATES, Candidate
from hf_hardneg.inpainting.edit.classical import ClassicalEditor


EVERY, STEP = 100, 10**7  # ids of a copy are so far from those of the one before
DARKER = 0.02


def copy_folder(coco: Path, target: Path, copies: int) -> None:
    """Write the photos and annotations of a COCO-format folder `copies` times into one."""
    names = {photo.image_id: photo.file for photo in read_coco_photos(coco)[0]}
    split = next(iter(names.values())).parent.name
    (target / split).mkdir(parents=True)
    (target / "annotations").mkdir()
    for kind in ("captions", "instances"):
        data = json.loads((coco / "annotations" / f"{kind}_{split}.json").read_text())
        images = [one for one in data["images"] if one["id"] in names]
        annotations = [one for one in data["annotations"] if one["image_id"] in names]
        data["images"] = [
            {**one, "id": one["id"] + i * STEP, "file_name": f"{one['id'] + i * STEP}.jpg"}
            for i in range(copies)
            for one in images
        ]
        data["annotations"] = [
            {**one, "id": one["id"] + i * STEP * 100, "image_id": one["image_id"] + i * STEP}
            for i in range(copies)
            for one in annotations
        ]
        (target / "annotations" / f"{kind}_{split}.json").write_text(json.dumps(data))
    for image_id, file in tqdm(names.items(), desc="Copying"):
        with Image.open(file) as photo:
            for i in range(copies):
                darker = ImageEnhance.Brightness(photo.convert("RGB")).enhance(1 - DARKER * i)
                darker.save(target / split / f"{image_id + i * STEP}.jpg", quality=92)


def main() -> None:
    """Copy, build, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("coco", type=Path)
    parser.add_argument("--copies", type=int, default=8)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    process, memory, judged = psutil.Process(), [], 0

    def watch(candidate: Candidate) -> None:
        nonlocal judged
        judged += 1
        if judged % EVERY == 0:
            memory.append(round(process.memory_info().rss / 2**20))

    with tempfile.TemporaryDirectory() as folder:
        copy_folder(args.coco, Path(folder) / "coco", args.copies)
        photos = len(read_coco_photos(Path(folder) / "coco")[0])
        start = time.perf_counter()
        summary = build_pairs(Path(folder) / "coco", Path(folder) / "out", ClassicalEditor, gates=(watch, *GATES))
        seconds = time.perf_counter() - start
    result = {
        "photos": photos,
        "pairs": dict(summary.accepted),
        "seconds": round(seconds, 1),
        f"memory_mb_after_each_{EVERY}_candidates": memory,
        "opencv": version("opencv-python-headless"),
    }
    print(json.dumps(result, indent=1))
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
