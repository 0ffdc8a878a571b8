"""Which column of a data set holds its images, and in which form."""

from collections.abc import Mapping, Sequence
from typing import Any

from datasets import Dataset, Image, Value

from .files import require_columns
from .photo_files import is_url
from .same_photo import matching_columns


IMAGE_COLUMNS = ("image", "img", "photo", "picture", "jpg", "jpeg", "png", "webp", "image_bytes")
PATH_COLUMNS = (
    "file_path",
    "image_path",
    "img_path",
    "photo_path",
    "file_name",
    "image_file",
    "image_name",
    "path",
    "file",
)
URL_COLUMNS = ("url", "image_url", "img_url")
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
TEXTS = (Value("string"), Value("large_string"))


def _holds_photos(feature: Any) -> bool:
    """Whether a column says by its type that it holds encoded images."""
    if isinstance(feature, Mapping):
        return "bytes" in feature or set(feature) == {"path"}
    return isinstance(feature, Image) or feature in (Value("binary"), Value("large_binary"))


def find_image_column(
    wish: str | None, features: Mapping[str, Any], source: str, advice: str = "set --image_column NAME"
) -> str:
    """The column of images: `wish`, or else the one of a usual name that holds encoded images or paths.

    An encoded column of another name, such as `mask`, is taken only where no column has a usual name.

    Args:
        wish: What the user named, or None.
        features: Those of the data.
        source: For the error.
        advice: How the user names the column, for the error.

    Raises:
        ValueError: If the column is not there, holds something else, or cannot be told; the message lists the columns.
    """
    if wish is not None:
        require_columns(list(features), [wish], source)
        if not _holds_photos(features[wish]) and features[wish] not in TEXTS:
            raise ValueError(f"Column {wish!r} of {source} holds {features[wish]}, not images; name another one.")
        return wish
    encoded = [name for name, feature in features.items() if _holds_photos(feature)]
    texts = [name for name, feature in features.items() if feature in TEXTS]
    found = matching_columns(IMAGE_COLUMNS, encoded) or matching_columns(IMAGE_COLUMNS, texts)
    paths = matching_columns(PATH_COLUMNS, texts)
    if not found and not (encoded and paths):  # photos beside their names, or masks beside the paths of photos
        found = encoded if len(encoded) == 1 else paths or matching_columns(URL_COLUMNS, texts)
    if not found:
        raise ValueError(
            f"{source} has the columns {list(features)}. Which of them holds images or their paths cannot be told: "
            f"{advice}."
        )
    return found[0]


def undecoded(dataset: Dataset, column: str) -> Dataset:
    """The column of images alone, with images as they are stored."""
    images = dataset.select_columns([column])
    return images.cast_column(column, Image(decode=False)) if isinstance(images.features[column], Image) else images


def refuse_urls(names: Sequence[str | None], column: str, source: str) -> None:
    """Raise a ValueError if images are on the web."""
    urls = [name for name in names if name and is_url(name)]
    if urls:
        raise ValueError(
            f"Column {column!r} of {source} holds {len(urls)} URLs, such as {urls[0]}. Nothing is downloaded here: "
            "download the images first, for instance with img2dataset, and pass the files."
        )
