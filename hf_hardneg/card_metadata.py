"""Metadata that the cards of this package share, in the spelling of the Hugging Face Hub."""

import re


PROJECT_URL = "https://github.com/org/hf-hardneg"
DOCUMENTATION_URL = "https://org.github.io/hf-hardneg/"
TASK_CATEGORIES = ["zero-shot-image-classification"]
UNKNOWN_LICENSE = "unknown"
# The Hub's classes of dataset sizes, each with the number of rows that it stays below.
_SIZE_CATEGORIES = (
    (10**3, "n<1K"),
    (10**4, "1K<n<10K"),
    (10**5, "10K<n<100K"),
    (10**6, "100K<n<1M"),
    (10**7, "1M<n<10M"),
    (10**8, "10M<n<100M"),
    (10**9, "100M<n<1B"),
    (10**10, "1B<n<10B"),
    (10**11, "10B<n<100B"),
    (10**12, "100B<n<1T"),
)


def size_category(rows: int) -> str:
    """The Hub's class of a dataset with so many rows.

    Examples:
        >>> [size_category(rows) for rows in (999, 1000, 25_000)]
        ['n<1K', '1K<n<10K', '10K<n<100K']
    """
    return next((name for limit, name in _SIZE_CATEGORIES if rows < limit), "n>1T")


def check_license(license_id: str) -> str:
    """Return the id of a license if the Hub can know it by that spelling.

    Raises:
        ValueError: If it holds anything but lower-case letters, digits, dots and hyphens.

    Examples:
        >>> check_license("cc-by-4.0")
        'cc-by-4.0'
    """
    if not re.fullmatch(r"[a-z0-9]+([.-][a-z0-9]+)*", license_id):
        raise ValueError(
            f"{license_id!r} is no license id of the Hugging Face Hub. An id has lower-case letters, digits, dots and "
            "hyphens, such as cc-by-4.0; see https://huggingface.co/docs/hub/repositories-licenses."
        )
    return license_id
