"""Memory and exactness of retrieval in chunks: 5,000 images x 25,000 texts, and smaller, against the whole matrix.

    OMP_NUM_THREADS=1 python benchmarks/retrieval_memory.py [--images 5000]

Random unit embeddings (D = 512), five texts an image, each near its image, so that ranks are spread. Every
measurement is a process of its own; memory is the peak of the process beyond its peak with the embeddings made, which
are made in place so that this is about what they take.
"""

import argparse
import json
import resource
import time
from pathlib import Path

import numpy as np
from vit_b32 import in_child, write_result

from hf_hardneg.evaluation.retrieval import recalls, retrieval_outcomes, retrieval_ranks


EACH, WIDTH = 5, 512


def embeddings(images: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images (I, D), texts (T, D) and owners (T,)."""
    rng = np.random.default_rng(0)
    first = rng.standard_normal((images, WIDTH), dtype=np.float32)
    second = rng.standard_normal((images * EACH, WIDTH), dtype=np.float32)
    for i, image in enumerate(first):
        second[EACH * i : EACH * (i + 1)] += 0.12 * image
    for part in (first, second):
        for row in part:
            row /= np.linalg.norm(row)
    return first, second, np.repeat(np.arange(images), EACH)


def peak() -> float:
    """Peak memory of this process in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def measure(images: int, way: str) -> dict[str, float]:
    """Recalls, seconds and MiB of one way."""
    first, second, owner = embeddings(images)
    before, began = peak(), time.perf_counter()
    if way == "chunks":
        found = recalls(*retrieval_ranks(first, second, owner))
    else:
        scores = (first.astype(np.float64) @ second.astype(np.float64).T).astype(np.float32)
        found = retrieval_outcomes(scores, owner)
    took = time.perf_counter() - began
    hits = {name: int(values.sum()) for name, values in found.items()}
    return {"seconds": round(took, 2), "MiB": round(peak() - before, 1), **hits}


def main() -> None:
    """Measure both ways at three sizes and write the result beside this program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--way", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.way:
        print(json.dumps(measure(args.images, args.way)))
        return
    result: dict[str, object] = {"texts_an_image": EACH, "width": WIDTH}
    for images in (args.images // 4, args.images // 2, args.images):
        ways = {way: in_child("--images", str(images), "--way", way) for way in ("chunks", "whole matrix")}
        hits = [{name: hit for name, hit in way.items() if "R@" in name} for way in ways.values()]
        result[f"{images} x {images * EACH}"] = ways | {"same hits": hits[0] == hits[1]}
    write_result(__file__, result)
    print(Path(__file__).with_suffix(".json"))


if __name__ == "__main__":
    main()
