"""Is the memory of export and validation flat? Measured on synthetic journals of growing size.

    OMP_NUM_THREADS=1 python benchmarks/inpainting_export.py --sizes 250 1000 [--json OUT.json]

Makes journals with photos of 640 x 480 pixels of smooth noise (a PNG of about 500 kB, as of a real photo), ten edits a
photo, all accepted; exports each journal, validates the export, and saves its clean rows, each in a process of its
own. Peak memory is the largest resident set without pages of mapped files (the kernel drops these when it needs room;
the rows of `datasets` are such pages), sampled every 20 ms.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
from PIL import Image

from hf_hardneg.inpainting.journal import Journal
from hf_hardneg.inpainting.propose.proposals import Proposal


WIDTH, HEIGHT, EDITS_OF_A_PHOTO = 640, 480, 10
STEPS = {
    "export": "from hf_hardneg.inpainting.publish.export import export_pairs; export_pairs({journal!r}, {out!r})",
    "validate": "from hf_hardneg.inpainting.check.validation_report import validate_set; validate_set({out!r})",
    "save clean rows": "from hf_hardneg.cli import main; main(['inpaint', 'validate', {out!r}, '--out', {clean!r}])",
}


def make_photo(rng: np.random.Generator) -> np.ndarray:
    """(480, 640, 3) of 0 to 255: large shapes under fine noise."""
    coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8))
    pixels = np.array(coarse.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC), dtype=np.int16)
    return (pixels + rng.integers(-3, 4, pixels.shape)).clip(0, 255).astype(np.uint8)


def make_journal(folder: Path, number: int) -> None:
    """A finished and reviewed journal of `number` items."""
    os.fsync = lambda *_: None  # nothing is to survive a power failure here
    with Journal(folder) as journal:
        journal.append({"kind": "run", "coco": "synthetic", "split": None, "seed": 0, "made_with": {"editor": "none"}})
        for image_id in range(number // EDITS_OF_A_PHOTO):
            _add_photo(journal, image_id)
        journal.append({"kind": "finished"})


def _add_photo(journal: Journal, image_id: int) -> None:
    rng = np.random.default_rng(image_id)
    pixels = make_photo(rng)
    digest = journal.save_image(pixels)
    about = {"captions": ["A red thing."] * 5, "width": WIDTH, "height": HEIGHT, "source": {}}
    journal.append({"kind": "photo", "image_id": image_id, **about})
    for place in range(EDITS_OF_A_PHOTO):
        new = f"blue{place}"
        key = f"{image_id}/{place}/color/{new}"
        captions = ("A red thing.", f"A {new} thing.")
        words = (2, 5, "red", new, "red", new)
        proposal = Proposal(key, image_id, place, 0, "color", "car", "car", *captions, *words)
        left = 60 * place
        edited, mask = pixels.copy(), np.zeros((HEIGHT, WIDTH), np.uint8)
        edited[100:300, left : left + 100] = 255 - edited[100:300, left : left + 100]
        mask[100:300, left : left + 100] = 255
        edit = {"image": journal.save_image(edited), "mask": journal.save_image(mask), "details": {}}
        journal.append({"kind": "proposal", **proposal._asdict()})
        journal.append({"kind": "candidates", "key": key, "photo": digest, "edits": [edit]})
        journal.append({"kind": "decision", "key": key, "accepted": True, "reason": "accepted", "reasons": [None]})
        verdict = {"worker": "ann", "verdict": "accept", "candidate": 0, "caption": captions[1], "quality": 4}
        journal.append({"kind": "review", "key": key, **verdict, "seconds": 9.0})
    journal.append({"kind": "done", "image_id": image_id, "skipped": {}})


def run_measured(code: str) -> dict[str, float]:
    """Seconds and peak MB, without and with pages of mapped files, of a Python process."""
    began, peak, peak_all = time.perf_counter(), 0, 0
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while child.poll() is None:
        try:
            status = Path(f"/proc/{child.pid}/status").read_text()
        except OSError:
            break
        fields = dict(line.split(":", 1) for line in status.splitlines())
        peak = max(peak, int(fields.get("RssAnon", "0 kB").split()[0]))
        peak_all = max(peak_all, int(fields.get("VmRSS", "0 kB").split()[0]))
        time.sleep(0.02)
    if child.wait():
        raise SystemExit(f"This failed: {code}")
    seconds = round(time.perf_counter() - began, 1)
    return {"seconds": seconds, "peak_mb": round(peak / 1024), "peak_mb_with_mapped_files": round(peak_all / 1024)}


def main() -> None:
    """Make, export, validate, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[250, 1000])
    parser.add_argument("--json", metavar="FILE")
    args = parser.parse_args()
    imports = "import hf_hardneg.inpainting.publish.export, datasets, matplotlib"
    result: dict[str, object] = {"imports": run_measured(imports)}
    for number in args.sizes:
        with tempfile.TemporaryDirectory() as folder:
            os.environ["HF_DATASETS_CACHE"] = f"{folder}/cache"
            journal, out, clean = (f"{folder}/{name}" for name in ("journal", "out", "clean"))
            make_journal(Path(journal), number)
            steps = {
                name: run_measured(code.format(journal=journal, out=out, clean=clean)) for name, code in STEPS.items()
            }
            size = sum(file.stat().st_size for file in Path(out).rglob("*.parquet"))
            result[f"{number} items"] = {"parquet_mb": round(size / 2**20), **steps}
    result["versions"] = {name: version(name) for name in ("datasets", "pyarrow", "pillow", "numpy")}
    result["machine"] = f"{os.cpu_count()} cores, Python {platform.python_version()}"
    if args.json:
        Path(args.json).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
