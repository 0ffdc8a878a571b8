"""Retrieval on Flickr30k: Karpathy's test split of 1,000 images (Young et al. 2014; Karpathy and Fei-Fei 2015)."""

from ..tasks import Task
from ._karpathy import load_retrieval


WHERE = (
    "Put dataset_flickr30k.json of https://cs.stanford.edu/people/karpathy/deepimagesent/caption_datasets.zip in "
    "{folder} and the photos (https://shannon.cs.illinois.edu/DenotationGraph/, on request) in "
    "{folder}/flickr30k-images. Hub ids with an image and its captions are read, too, such as "
    "flickr30k=nlphuji/flickr30k."
)


def load(source: str) -> list[Task]:
    """R@1, R@5 and R@10 both ways, five captions an image."""
    return [load_retrieval("flickr30k", source)]
