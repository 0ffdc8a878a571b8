"""Retrieval on COCO: Karpathy's test split of 5,000 images, whole and in five folds.

Chen et al. 2015, https://arxiv.org/abs/1504.00325.
"""

from ..tasks import Task
from ._karpathy import load_retrieval


DOWNLOAD = (
    "Put dataset_coco.json of https://cs.stanford.edu/people/karpathy/deepimagesent/caption_datasets.zip in "
    "{folder} and COCO's 2014 photos in {folder}/val2014 (http://images.cocodataset.org/zips/val2014.zip). COCO's "
    "official layout (annotations/captions_val2017.json with val2017/; coco={folder}:val2017 chooses a split) and Hub "
    "ids with an image and its captions also work."
)


def load(source: str, split: str | None = None, image_column: str | None = None) -> list[Task]:
    """Load one task: R@1, R@5 and R@10 in both directions, with five captions of each image."""
    return [load_retrieval("coco", source, split, image_column, folds=5)]
