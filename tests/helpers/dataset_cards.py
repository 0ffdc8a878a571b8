"""Checks the metadata of dataset cards as far as the Hub's rules can be checked without the Hub."""

import re

from huggingface_hub import DatasetCard


# Of https://github.com/huggingface/hub-docs/blob/main/datasetcard.md and the Hub's pages on licenses and tasks.
FIELDS = {
    "annotations_creators",
    "configs",
    "language",
    "license",
    "pretty_name",
    "size_categories",
    "source_datasets",
    "tags",
    "task_categories",
}
SIZES = {"n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "10M<n<100M", "100M<n<1B", "1B<n<10B"}
LICENSES = {"apache-2.0", "cc-by-4.0", "mit", "other", "unknown"}
TASKS = {"zero-shot-image-classification", "image-to-text"}
ANNOTATORS = {"crowdsourced", "expert-generated", "found", "machine-generated", "no-annotation", "other"}


def read_metadata(card):
    """The metadata of a card, whose every value the Hub accepts."""
    data = DatasetCard(card).data.to_dict()
    assert data.keys() <= FIELDS
    assert data["language"] == "en" and data["license"] in LICENSES and data["pretty_name"]
    assert len(data["size_categories"]) == 1 and set(data["size_categories"]) <= SIZES
    assert data["task_categories"] and set(data["task_categories"]) <= TASKS
    assert set(data["annotations_creators"]) <= ANNOTATORS
    assert all(
        re.fullmatch(r"original|[\w.-]+(/[\w.-]+)?", name) for name in data.get("source_datasets", ["original"])
    )
    assert all(re.fullmatch(r"[\w-]+", tag) for tag in data["tags"])
    assert "{{" not in card and "None" not in card  # nothing of the template is left
    return data
