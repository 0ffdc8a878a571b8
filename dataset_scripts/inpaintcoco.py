"""Make and publish org/inpaintcoco: photos and edited copies in which one object's color, size or kind changed.

    hf-hardneg inpaint build --coco COCO_DIR --out pairs     # edit photos
    hf-hardneg inpaint review pairs                          # people accept, reject and correct captions
    python inpaintcoco.py pairs --out inpaintcoco            # make the dataset folder
    python inpaintcoco.py inpaintcoco --push_to_hub org/inpaintcoco --private

It needs hf_hardneg: pip install 'hf-hardneg[inpaint]'. In a dataset's folder this file lies under scripts/, because
`datasets` refuses a folder NAME that contains NAME.py.
"""

import argparse
import json
import sys
from pathlib import Path

from datasets import DatasetDict, load_dataset

from hf_hardneg.hub.push import Published, publish_folder
from hf_hardneg.inpainting.publish import export_pairs
from hf_hardneg.inpainting.publish.export import write_export_card
from hf_hardneg.inpainting.publish.export_card import EXPORT_JSON


def build_dataset(folder: str | Path, out: str | Path | None = None, unreviewed: bool = False) -> DatasetDict:
    """Return the set as a DatasetDict with the split "test".

    Args:
        folder: The folder of a build, or an exported folder.
        out: The folder to export a build to. Not used if `folder` is an export.
        unreviewed: Export all pairs that passed the gates, although nobody looked at them.

    Raises:
        ValueError: If there is nothing to export. The message says what to do.
    """
    return load_dataset(str(export_folder(folder, out, unreviewed)))


def export_folder(folder: str | Path, out: str | Path | None, unreviewed: bool = False) -> Path:
    """Return `folder` if it is an export. Otherwise export it to `out` and return `out`."""
    if (Path(folder) / EXPORT_JSON).is_file():
        return Path(folder)
    if out is None:
        raise ValueError(
            f"{folder} is no exported folder (it has no {EXPORT_JSON}); add --out with the folder to export to."
        )
    export_pairs(folder, out, unreviewed=unreviewed)
    return Path(out)


def push(folder: Path, repo: str, private: bool) -> Published:
    """Publish an exported folder as a dataset repository of the Hub, in one commit that is read back and compared.

    Args:
        folder: Of an export.
        repo: For instance "org/inpaintcoco".
        private: Make the repository private if it is new.

    Raises:
        PushError: If it did not work. The message is one sentence.
    """
    summary = json.loads((folder / EXPORT_JSON).read_text(encoding="utf-8"))
    write_export_card({**summary, "location": repo}, folder)
    return publish_folder(folder, repo, "dataset", private=private or None, message=f"{summary['pairs']} pairs")


def main() -> None:
    """Export the set, print it, and publish it if asked to. A user error ends with one sentence."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="the folder of a build, or an exported folder")
    parser.add_argument("--out", help="the folder to export to")
    parser.add_argument(
        "--unreviewed", action="store_true", help="export all pairs that passed the gates, although nobody looked"
    )
    parser.add_argument("--push_to_hub", metavar="REPO", help="for instance org/inpaintcoco")
    parser.add_argument("--private", action="store_true", help="make the repository private if it is new")
    args = parser.parse_args()
    try:
        folder = export_folder(args.folder, args.out, args.unreviewed)
        sys.stdout.write(f"{load_dataset(str(folder))}\n")
        if args.push_to_hub:
            sys.stdout.write(f"{push(folder, args.push_to_hub, args.private)}\n")
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
