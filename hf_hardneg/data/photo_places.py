"""Where a download has its photos: the folders that unpacked archives make."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path


def coco_folders(folder: Path, split: str) -> list[Path]:
    """Where COCO's photos may be; file names that begin with the folder are looked for in the last two."""
    return [folder / split, folder / "images" / split, folder, folder / "images"]


def photo_finder(folders: Sequence[Path]) -> Callable[[str], Path]:
    """A function from a file name to the first of `folders` that has it; the first folder if none does."""
    order = list(folders)

    def find(name: str) -> Path:
        for folder in order:
            if (folder / name).is_file():
                if folder != order[0]:  # the next photo is most likely in the same folder
                    order.remove(folder)
                    order.insert(0, folder)
                return folder / name
        return folders[0] / name

    return find


def place_of(name: str, folder: str | Path) -> str:
    """The file that a table names, absolute or relative to a folder.

    A table that was written on Windows has backslashes. They are taken for slashes where no file has them in its name.
    """
    path = os.path.abspath(os.path.join(folder, name))
    if "\\" in name and not os.path.exists(path):
        return os.path.abspath(os.path.join(folder, name.replace("\\", "/")))
    return path
