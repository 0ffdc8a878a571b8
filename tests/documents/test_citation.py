"""CITATION.cff is YAML with what the Citation File Format 1.2.0 requires, and names the paper and this version."""

from pathlib import Path

import yaml

import hf_hardneg


CITATION = yaml.safe_load((Path(__file__).parents[2] / "CITATION.cff").read_text(encoding="utf-8"))


def test_the_software_is_cited_in_this_version():
    assert {"cff-version", "message", "title", "authors"} <= set(CITATION)
    assert CITATION["cff-version"] == "1.2.0" and CITATION["type"] == "software"
    assert CITATION["version"] == hf_hardneg.__version__ and CITATION["license"] == "Apache-2.0"


def test_the_paper_is_preferred():
    paper = CITATION["preferred-citation"]
    assert {"type", "title", "authors"} <= set(paper)  # what a reference needs
    names = [author["family-names"] for author in paper["authors"]]
    assert names == ["Rösch", "Oswald", "Geierhos", "Libovický"]
    assert paper["year"] == 2024 and paper["url"] == "https://arxiv.org/abs/2403.02875"
    assert [one["value"] for one in paper["identifiers"]] == ["arXiv:2403.02875"]
