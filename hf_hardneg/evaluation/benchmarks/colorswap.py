"""ColorSwap: two images and two captions whose colors are swapped.

Burapacheep et al. 2024, https://arxiv.org/abs/2402.04492.
"""

from pathlib import Path

from ...data.lazy_images import find_image, row_images
from ..tasks import PAIR, ChoiceTask, Task
from ._files import open_table, read_rows, row_ids


DOWNLOAD = (
    "Use colorswap=stanfordnlp/colorswap (accept its terms on the Hub), or put test.json and the folder images/ of "
    "the archive that https://github.com/Top34051/colorswap links to in {folder}."
)
COLUMNS = ("image_1", "image_2", "caption_1", "caption_2")


def load(source: str, split: str = "test") -> list[Task]:
    """Load a split as one group. The authors' archive has test.json and train.json."""
    task = ChoiceTask("colorswap", PAIR)
    file = Path(source) / f"{split}.json"
    if file.is_file():
        for key, row in read_rows(file, ("id", *COLUMNS)).items():
            files = [find_image(Path(source), [row[name]]) for name in COLUMNS[:2]]
            task.add("all", key, files, [row["caption_1"], row["caption_2"]])
        return [task.require_items(f"Images are looked for in {source}, as {file} names them.")]
    table = open_table(source, split, COLUMNS)
    images = zip(row_images(table, "image_1"), row_images(table, "image_2"), strict=True)
    for key, pair, *captions in zip(row_ids(table), images, table["caption_1"], table["caption_2"], strict=True):
        task.add("all", key, pair, captions)
    return [task.require_items(f"Look at the rows of {source}.")]
