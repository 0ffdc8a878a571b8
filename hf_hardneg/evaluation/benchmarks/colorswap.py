"""ColorSwap: two images and two captions whose colors are swapped.

Burapacheep et al. 2024, https://arxiv.org/abs/2402.04492.
"""

from pathlib import Path

from ...data.lazy_images import find_image, row_images
from ..tasks import PAIR, ChoiceTask, Task
from ._files import open_table, read_rows


DOWNLOAD = (
    "Use colorswap=stanfordnlp/colorswap (accept its terms on the Hub), or put test.json and the folder images/ of "
    "the archive that https://github.com/Top34051/colorswap links to in {folder}."
)
COLUMNS = ("image_1", "image_2", "caption_1", "caption_2")


def load(source: str) -> list[Task]:
    """Load the test split as one group."""
    task = ChoiceTask("colorswap", PAIR)
    file = Path(source) / "test.json"
    if file.is_file():
        for row in read_rows(file, ("id", *COLUMNS)):
            files = [find_image(Path(source), [row[name]]) for name in COLUMNS[:2]]
            task.add("all", str(row["id"]), files, [row["caption_1"], row["caption_2"]])
        return [task.require_items(f"Images are looked for in {source}, as {file} names them.")]
    table = open_table(source, "test", COLUMNS)
    images = zip(row_images(table, "image_1"), row_images(table, "image_2"), strict=True)
    for i, (pair, *captions) in enumerate(zip(images, table["caption_1"], table["caption_2"], strict=True)):
        task.add("all", str(i), pair, captions)
    return [task.require_items(f"Look at the rows of {source}.")]
