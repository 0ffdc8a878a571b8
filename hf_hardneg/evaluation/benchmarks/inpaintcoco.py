"""InpaintCOCO: a photo, the photo with one thing changed, and a caption of each.

Rösch et al. 2024, https://arxiv.org/abs/2403.02875.
"""

from ...columns import PAIR_FEATURES
from ..pairs import pairs_task
from ..tasks import Task
from ._files import open_table


DOWNLOAD = (
    "InpaintCOCO is phiyodr/InpaintCOCO on the Hub: use --benchmarks inpaintcoco=phiyodr/InpaintCOCO. Or put its "
    "Parquet files, or a set that this package built, in {folder}."
)
# The mask and the further columns of the original are not needed.
COLUMNS = [name for name in PAIR_FEATURES if name != "mask"]


def load(source: str, split: str = "test") -> list[Task]:
    """Load the pairs, grouped by concept. The original has empty captions; their pairs are skipped and counted."""
    task = pairs_task("inpaintcoco", open_table(source, split, COLUMNS))
    return [task.require_items(f"Look at the rows of {source}.")]
