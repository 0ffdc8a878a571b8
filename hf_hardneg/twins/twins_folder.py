"""From captioned photos to a dataset folder of natural twins with InpaintCOCO's columns and a card."""

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from datasets import Dataset, Image

from ..atomic_folder import check_replaceable, check_writable, new_folder
from ..card_metadata import check_license
from ..columns import CAPTION, IMAGE, IMAGE_ID, OTHER_CAPTIONS, TWIN_FEATURES
from ..data.captions import is_coco_file, read_captions
from ..data.coco import is_coco_folder
from ..data.files import open_dataset
from ..data.image_columns import find_image_column
from ..data.karpathy import karpathy_file
from ..data.leakage import coco_id, file_name_tells
from ..data.parquet_rows import write_rows
from ..data.photo_ids import SourceIds, read_source_ids
from ..data.photo_sources import load_photos
from ..data.photos import open_photo
from ..data.skip_reasons import describe_reasons
from ..lexicon.concepts import CONCEPTS, load_lexicon
from .choose_twins import KINDS, SAME_PHOTO, Side, Twin
from .twin_search import find_twins
from .twins_card import build_twins_card, yield_rows


CARD, SUMMARY, DATA_FILE = "README.md", "twins.json", "data/test-00000-of-00001.parquet"
ENTRIES = (CARD, DATA_FILE.split("/")[0])


@dataclass(frozen=True)
class TwinOptions:
    """How `make_twins` reads captioned photos and looks for twins.

    Attributes:
        concepts: Names of shipped concepts, or paths of your own vocabulary files.
        split: Its name; None is the only one of a COCO folder, else "train".
        image_column: Of a table; None finds it.
        caption_column: Of a table; None takes the usual name that is there.
        config: Configuration of a dataset folder or Hub id that has several.
        license: The Hub's id of the license of the photos, such as "cc-by-4.0". None writes "unknown" to the card.
        num_proc: Processes that check photos and hash captions; None is one process.

    Raises:
        ValueError: If `license` is not spelled as the Hub spells it.
    """

    concepts: tuple[str, ...] = CONCEPTS
    split: str | None = None
    image_column: str | None = None
    caption_column: str | None = None
    config: str | None = None
    license: str | None = None
    num_proc: int | None = None

    def __post_init__(self) -> None:
        if self.license is not None:
            check_license(self.license)


def _has_photos(source: str, options: TwinOptions) -> bool:
    """Whether a source has photos; a table without a column of images has captions alone."""
    if options.image_column is not None or is_coco_folder(source) or karpathy_file(source) is not None:
        return True
    if is_coco_file(Path(source).expanduser()):
        return False
    features = open_dataset(source, options.split or "train", options.config).features
    try:
        find_image_column(None, features, source)
    except ValueError:
        return False
    return True


def read_source(source: str, options: TwinOptions) -> tuple[Dataset, Counter[str], SourceIds]:
    """Read captioned photos, or captions alone where there are no photos.

    Returns:
        One row for each caption, with the columns of `columns.ROW_FEATURES` (without photos: all but the image), what
        was skipped by reason, and which ids are the source's own.

    Raises:
        FileNotFoundError: If there is no such file or split.
        ValueError: If the source cannot be used, has one photo only, or does not say which captions are of one photo.
    """
    columns = (options.image_column, options.caption_column)
    has_photos = _has_photos(source, options)
    if has_photos:
        rows, skipped = load_photos(source, options.split, *columns, options.num_proc, config=options.config)
        rows = rows.cast_column(IMAGE, Image(decode=False))
    else:
        rows, skipped = read_captions(source, options.caption_column, options.split or "train", options.config)
    photos = len(rows.unique(IMAGE_ID))
    if photos < 2:
        raise ValueError(f"{source} shows {photos} photo that has a caption; twins need two.")
    ids = read_source_ids(source, options.split, options.caption_column, options.config)
    if not has_photos and not ids.has_ids and not any(rows[OTHER_CAPTIONS]):
        raise ValueError(
            f"{source} has neither images nor ids nor a photo with several captions, so nothing says which captions "
            "are of one photo: give images, or a column image_id."
        )
    return rows, skipped, ids


def _image(rows: Dataset, side: Side) -> dict[str, Any] | None:
    """The photo as it is stored, None without photos: its bytes are not encoded anew."""
    if IMAGE not in rows.column_names:
        return None
    path = Path(rows[side.row][IMAGE]["path"])  # of all sources, rows hold paths
    return {"bytes": path.read_bytes(), "path": path.name}


def _show_one_photo(rows: Dataset, twin: Twin) -> bool:
    """Whether two ids name copies of one photo: the same bytes, or the same pixels stored in another way."""
    first, second = _image(rows, twin.first), _image(rows, twin.second)
    if first is None or second is None:
        return False
    if first["bytes"] == second["bytes"]:
        return True
    photos = [open_photo(BytesIO(one["bytes"])) for one in (first, second)]
    return photos[0].size == photos[1].size and photos[0].tobytes() == photos[1].tobytes()


def _coco_id(rows: Dataset, side: Side, ids: Collection[int]) -> int | None:
    """The id by which the training knows a photo: the source's own, or that of COCO's file name.

    Readers number photos without an id. Such a number would keep another photo out of training.
    """
    if side.image_id in ids:
        return side.image_id
    path = rows[side.row][IMAGE]["path"] if IMAGE in rows.column_names else None
    return coco_id(path) if file_name_tells(path) else None


def twin_rows(twins: Sequence[Twin], rows: Dataset, ids: Collection[int]) -> Iterator[dict[str, Any]]:
    """Yield the row of each twin, with the columns of `columns.TWIN_FEATURES`.

    Args:
        twins: Of `find_twins`.
        rows: The rows that they were found in. Photos are read one pair at a time.
        ids: The image ids that are the source's own. A photo without one gets null, unless its file has COCO's name.
    """
    for twin in twins:
        first, second = (rows[side.row] for side in (twin.first, twin.second))
        captions = [[row[CAPTION], *row[OTHER_CAPTIONS]] for row in (first, second)]
        yield {
            "concept": twin.concept,
            "coco_caption": twin.first.text,
            "coco_image": _image(rows, twin.first),
            "inpaint_caption": twin.second.text,
            "inpaint_image": _image(rows, twin.second),
            "mask": None,
            "kind": twin.kind,
            "coco_details": {
                "id": _coco_id(rows, twin.first, ids),
                "caption": first[CAPTION],
                "captions": captions[0],
            },
            "inpaint_details": {
                "source_image_id": _coco_id(rows, twin.second, ids),
                "caption": second[CAPTION],
                "captions": captions[1],
                "key": f"{twin.key:016x}",
                "old": twin.first.word,
                "new": twin.second.word,
            },
        }


def make_twins(source: str, folder: str | Path, options: TwinOptions | None = None) -> dict[str, Any]:
    """Find the natural twins of captioned photos and write a dataset folder: data/, README.md, twins.json.

    The same photos and captions give the same bytes. If the command is killed, the folder is as before or complete.

    Args:
        source: A COCO folder, one of Karpathy's split files, a table or dataset of photos with captions; or captions
            alone, with ids that tell the photos. These give pairs of captions without images.
        folder: A new folder, an empty one, or an earlier result, which is replaced.
        options: How to read and to look; None takes the defaults.

    Returns:
        What twins.json holds: counts by concept and kind, and what was left out and why.

    Raises:
        FileNotFoundError: If there is no such file or split.
        ValueError: If the source cannot be used or has no twin, or the folder holds files of somebody else.

    Examples:
        >>> import tempfile
        >>> captions = {1: ["A man rides a horse.", "He rides."], 2: ["A woman rides a horse.", "Riding."]}
        >>> with tempfile.TemporaryDirectory() as work:
        ...     rows = [{"image_id": one, "captions": texts} for one, texts in captions.items()]
        ...     _ = Path(work, "captions.json").write_text(json.dumps(rows))
        ...     make_twins(f"{work}/captions.json", f"{work}/twins")["by_kind"]
        {'exact': 1, 'frame': 0, 'beginning': 0}
    """
    options = options or TwinOptions()
    load_lexicon(options.concepts)  # a broken vocabulary is reported before the photos are read
    check_replaceable(folder, SUMMARY, ENTRIES)  # so is a folder of somebody else, or one that cannot be written
    check_writable(Path(folder).resolve().parent, "--out")
    rows, skipped, ids = read_source(source, options)
    found, left_out = find_twins(rows, options.concepts, options.num_proc)
    twins = [twin for twin in found if not _show_one_photo(rows, twin)]
    left_out[SAME_PHOTO] += len(found) - len(twins)
    if not twins:
        raise ValueError(
            f"{source} has no natural twins among {len(rows):,} captions. Left out: {describe_reasons(left_out)}. "
            "The share grows with the number of captions: give more."
        )
    is_local = Path(source).expanduser().exists()
    summary = {
        "source": Path(source).name if is_local else source,
        "is_hub_id": not is_local,
        "name": Path(folder).resolve().name,
        "license": options.license,
        "concepts": [Path(name).stem for name in options.concepts],
        **summarize_twins(twins, rows, ids.coco),
        "left_out": dict((+left_out).most_common()),
        "skipped": dict(skipped),
    }
    with new_folder(folder, SUMMARY, ENTRIES) as part:
        (part / DATA_FILE).parent.mkdir()
        write_rows(part / DATA_FILE, twin_rows(twins, rows, ids.coco), TWIN_FEATURES)
        (part / CARD).write_text(build_twins_card(summary), encoding="utf-8")
        (part / SUMMARY).write_text(json.dumps(summary, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return summary


def summarize_twins(twins: Sequence[Twin], rows: Dataset, ids: Collection[int]) -> dict[str, Any]:
    """Counts for twins.json: pairs by concept and kind, photos and captions, and how many photos have a COCO id."""
    table: dict[str, Counter[str]] = {}
    for twin in twins:
        table.setdefault(twin.concept, Counter())[twin.kind] += 1
    kinds = Counter(twin.kind for twin in twins)
    told = (_coco_id(rows, side, ids) for twin in twins for side in (twin.first, twin.second))
    return {
        "has_photos": IMAGE in rows.column_names,
        "captions": len(rows),
        "photos": len(rows.unique(IMAGE_ID)),
        "pairs": len(twins),
        "photos_with_id": sum(one is not None for one in told),
        "by_kind": {kind: kinds[kind] for kind in KINDS},
        "by_concept": {name: {kind: table[name][kind] for kind in KINDS} for name in sorted(table)},
    }


def format_yield(summary: Mapping[str, Any]) -> str:
    """The yield by concept and kind as a text table."""
    lines = ["".join([f"{'concept':<12}", *(f"{kind:>11}" for kind in (*KINDS, "all"))])]
    for name, numbers in yield_rows(summary):
        lines.append("".join([f"{name:<12}", *(f"{number:>11,}" for number in numbers)]))
    return "\n".join(lines)


def format_twins(summary: Mapping[str, Any]) -> str:
    """The summary as text for the terminal."""
    share = 2 * summary["pairs"] / summary["photos"]
    lines = [
        f"{summary['pairs']:,} pairs of {summary['photos']:,} photos with {summary['captions']:,} captions; "
        f"{share:.1%} of the photos are in a pair",
        format_yield(summary),
        "candidates left out:",
        *(f"{count:>9,}  {reason}" for reason, count in summary["left_out"].items()),
        f"skipped: {describe_reasons(summary['skipped'])}",
    ]
    without_id = 2 * summary["pairs"] - summary["photos_with_id"]
    if without_id:
        lines.append(
            f"photos without a COCO image id, which --challenge_sets does not keep out of training: {without_id:,} of "
            f"{2 * summary['pairs']:,} in pairs"
        )
    if not summary["has_photos"]:
        lines.append("The source has no photos: the set holds captions alone, and no model can be evaluated on it.")
    return "\n".join(lines)
