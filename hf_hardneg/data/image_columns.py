"""Which column of a data set holds its images, and in which form."""

from collections.abc import Mapping, Sequence
from typing import Any

from datasets import Dataset, Image, Value

from .files import require_columns
from .photo_files import is_url
from .same_photo import matching_columns


# Case and underscores do not count (`same_photo.matching_columns`).
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
_BYTES = (Value("binary"), Value("large_binary"))


def _holds_photos(feature: Any) -> bool:
    """Whether a column says by its type that it holds encoded images."""
    if isinstance(feature, Mapping):
        return "bytes" in feature or set(feature) == {"path"}
    return isinstance(feature, Image) or feature in _BYTES


def _holds_lists(feature: Any) -> bool:
    """Whether a column holds lists of images."""
    inner = feature[0] if isinstance(feature, list) and feature else getattr(feature, "feature", None)
    return inner is not None and _holds_photos(inner)


def find_image_column(
    wish: str | None, features: Mapping[str, Any], source: str, advice: str = "set --image_column NAME"
) -> str:
    """The column of images or of their paths: the one rule of all commands, for tables and for streams.

    It is `wish`, or one of `IMAGE_COLUMNS`; of these, one that holds encoded images comes before one of paths. Else it
    is one of `PATH_COLUMNS` or the only column of encoded images. If there are both, or several columns of encoded
    images, the user must say which. `URL_COLUMNS` are taken last, so that the error can say what to do with URLs.

    Args:
        wish: What the user named, or None.
        features: Those of the data; of a stream also as `guess_features` gives them.
        source: For the errors.
        advice: How the user names the column, for the errors.

    Raises:
        ValueError: If the column is not there, holds something else, or cannot be told; the message names the
            candidates, or the columns that there are.
    """
    if wish is not None:
        require_columns(list(features), [wish], source)
        _require_images(wish, features, source)
        return wish
    encoded = [name for name, feature in features.items() if _holds_photos(feature)]
    texts = [name for name, feature in features.items() if feature in TEXTS]
    usual = matching_columns(IMAGE_COLUMNS, encoded) or matching_columns(IMAGE_COLUMNS, texts)
    if usual:
        return usual[0]
    paths = matching_columns(PATH_COLUMNS, texts)[:1]
    # Bytes beside paths may be anything, such as embeddings; a column of the type Image is one of images.
    images = [name for name in encoded if not paths or features[name] not in _BYTES]
    candidates = [*paths, *images] or matching_columns(URL_COLUMNS, texts)[:1]
    if len(candidates) > 1:
        raise ValueError(
            f"{source} has several columns that may hold the photos: {', '.join(map(repr, candidates))}. Say which: "
            f"{advice}."
        )
    if not candidates:
        lists = next((name for name, feature in features.items() if _holds_lists(feature)), None)
        if lists is not None:
            _require_images(lists, features, source)
        raise ValueError(
            f"{source} has the columns {list(features)}. Which of them holds images or their paths cannot be told: "
            f"{advice}."
        )
    return candidates[0]


def _require_images(column: str, features: Mapping[str, Any], source: str) -> None:
    """Raise a ValueError that says what a column holds instead of images or their paths."""
    feature = features[column]
    if _holds_lists(feature):
        raise ValueError(
            f"Column {column!r} of {source} holds a list of images in each row, and one image is expected. Save the "
            "table with one image in each row, and its captions beside it."
        )
    if not _holds_photos(feature) and feature not in TEXTS:
        others = [name for name, one in features.items() if _holds_photos(one) or one in TEXTS]
        raise ValueError(
            f"Column {column!r} of {source} holds {feature}, not images or their paths. Name another one with "
            f"--image_column; those that may hold them are {', '.join(others) or 'none'}."
        )


def guess_features(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What columns hold, told by their first values, as far as `find_image_column` must know it.

    Args:
        rows: The first rows of a stream that does not say it.

    Examples:
        >>> guess_features([{"jpg": None, "n": 1}, {"jpg": {"bytes": b"", "path": None}, "n": 2, "caption": "a"}])
        {'jpg': {'bytes': None, 'path': None}, 'n': None, 'caption': Value('string')}
    """
    first: dict[str, Any] = {}
    for row in rows:
        for name, value in row.items():
            if first.get(name) is None:
                first[name] = value
    return {name: _guess_feature(value) for name, value in first.items()}


def _guess_feature(value: Any) -> Any:
    if value is None or isinstance(value, str):  # a column that is empty so far may be one of paths
        return TEXTS[0]
    if isinstance(value, bytes):
        return _BYTES[0]
    if isinstance(value, Mapping):
        return dict.fromkeys(value)
    return [_guess_feature(value[0])] if isinstance(value, list) and value else None


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
