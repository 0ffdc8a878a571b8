"""Natural twins: two real photos with captions that differ in one concept word, as `hf-hardneg twins` finds them."""

from ..pairs import pairs_task
from ..tasks import Task
from ._files import open_table
from .inpaintcoco import COLUMNS


DOWNLOAD = (
    "Natural twins are made of captioned photos, such as COCO's or your own: hf-hardneg twins PHOTOS --out {folder}. "
    "Take photos that the models were not trained on."
)


def load(source: str, split: str = "test") -> list[Task]:
    """Load the pairs, grouped by concept."""
    task = pairs_task("natural_twins", open_table(source, split, COLUMNS))
    return [task.require_items(f"A set of captions alone has no photo to look at; look at the rows of {source}.")]
