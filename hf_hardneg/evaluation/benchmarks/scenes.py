"""Scenes that this package renders: inpainted pairs and retrieval. Nothing is downloaded."""

from ...scenes.world import scene_pairs, scene_rows
from ..pairs import pairs_task
from ..retrieval import rows_task
from ..tasks import Task


DOWNLOAD = "Scenes are rendered and need no files. scenes=SEED renders other scenes, such as scenes=dev."
PAIRS, IMAGES = 300, 1000


def load(source: str) -> list[Task]:
    """Load 300 pairs of each concept, and 1,000 images for retrieval. `source` is a seed, by default "test"."""
    seed = source or "test"
    return [
        pairs_task("scenes", scene_pairs(seed, PAIRS)),
        rows_task("scenes_retrieval", scene_rows(seed, IMAGES)),
    ]
