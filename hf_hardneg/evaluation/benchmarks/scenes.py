"""The rendered scenes of this package: exact inpainted pairs, and retrieval; nothing to download."""

from ...scenes.world import scene_pairs, scene_rows
from ..pairs import pairs_task
from ..retrieval import rows_task
from ..tasks import Task


WHERE = "Scenes are rendered; scenes=SEED renders others, such as scenes=dev."
PAIRS, IMAGES = 300, 1000


def load(source: str) -> list[Task]:
    """300 pairs of each concept and 1,000 images for retrieval, of the seed `source` (default: "test")."""
    seed = source or "test"
    return [
        pairs_task("scenes", scene_pairs(seed, PAIRS)),
        rows_task("scenes_retrieval", scene_rows(seed, IMAGES)),
    ]
