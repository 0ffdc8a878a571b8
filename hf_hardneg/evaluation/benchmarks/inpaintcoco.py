"""InpaintCOCO: a photo and its inpainted twin, with a caption of each (Rösch et al. 2024, arXiv 2403.02875)."""

from ...columns import PAIR_FEATURES
from ..pairs import pairs_task
from ..tasks import Task
from ._files import open_table


WHERE = (
    "InpaintCOCO is phiyodr/InpaintCOCO on the Hub: --benchmarks inpaintcoco=phiyodr/InpaintCOCO, or put its Parquet "
    "files, or a set that this package built, in {folder}."
)
# The mask is not looked at; the original has further columns, which are not looked at either.
COLUMNS = [name for name in PAIR_FEATURES if name != "mask"]


def load(source: str) -> list[Task]:
    """Pairs by concept; the original's empty captions are skipped and counted."""
    return [pairs_task("inpaintcoco", open_table(source, "test", COLUMNS)).check(f"Look at {source}.")]
