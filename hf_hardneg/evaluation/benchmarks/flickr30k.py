"""Retrieval on Flickr30k: Karpathy's test split of 1,000 images.

Young et al. 2014, https://aclanthology.org/Q14-1006.
"""

from ..tasks import Task
from ._karpathy import load_retrieval


DOWNLOAD = (
    "Put dataset_flickr30k.json of https://cs.stanford.edu/people/karpathy/deepimagesent/caption_datasets.zip in "
    "{folder} and the photos (https://shannon.cs.illinois.edu/DenotationGraph/, on request) in "
    "{folder}/flickr30k-images. Hub ids with an image and its captions also work, such as "
    "flickr30k=nlphuji/flickr30k."
)


def load(source: str, split: str | None = None, image_column: str | None = None) -> list[Task]:
    """Load one task: R@1, R@5 and R@10 in both directions, with five captions of each image."""
    return [load_retrieval("flickr30k", source, split, image_column)]
