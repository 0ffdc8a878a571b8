import json

import pytest
from helpers.captions import scene_captions
from helpers.dataset_cards import read_metadata

from hf_hardneg.card_metadata import size_category
from hf_hardneg.cli import main
from hf_hardneg.negatives.negatives_card import CaptionOrigin, build_card


SUMMARY = {
    "source": "captions",
    "settings": {
        "num_negatives": 3,
        "seed": 0,
        "concepts": ["object", "color"],
        "concept_weights": None,
        "temperature": 1.375,
        "language_model": None,
    },
    "captions": 566_747,
    "negatives": 1_000_000,
    "by_number": {"3": 566_747},
    "by_concept": {"object": 1_000_000},
    "by_operator": {"replace": 1_000_000},
    "rejections": {},
    "skipped": {},
    "audit": None,
}


@pytest.mark.parametrize(
    ("rows", "expected"),
    [(1, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (566_747, "100K<n<1M"), (10**9, "1B<n<10B"), (10**12, "n>1T")],
)
def test_sizes_are_in_the_hubs_classes(rows, expected):
    assert size_category(rows) == expected


def test_metadata_of_a_hub_dataset_name_it_and_its_license():
    card = build_card(SUMMARY, "coco-negatives", CaptionOrigin("org/coco-captions", "cc-by-4.0"))
    data = read_metadata(card)
    assert data["source_datasets"] == ["org/coco-captions"] and data["license"] == "cc-by-4.0"
    assert data["size_categories"] == ["100K<n<1M"]
    assert "https://huggingface.co/datasets/org/coco-captions" in card and "`cc-by-4.0`" in card


def test_a_card_never_guesses_a_license_or_a_source():
    card = build_card(SUMMARY, "negatives", CaptionOrigin(None, None))
    data = read_metadata(card)
    assert data["license"] == "unknown" and "source_datasets" not in data
    assert "did not state the license" in card


def test_the_card_links_to_the_project_and_names_the_readers_of_its_audit():
    card = build_card(SUMMARY, "negatives", CaptionOrigin())
    assert "https://github.com/org/hf-hardneg" in card and "https://org.github.io/hf-hardneg/" in card
    assert "[panel of readers](https://org.github.io/hf-hardneg/audit/)" in card


def test_the_command_writes_the_license_that_it_is_given(tmp_path):
    file = tmp_path / "captions.jsonl"
    file.write_text("\n".join(json.dumps({"caption": caption}) for caption in scene_captions(20)))
    arguments = ["negatives", str(file), "--out", str(tmp_path / "out"), "--no_audit"]
    main([*arguments, "--license", "cc-by-4.0"])
    data = read_metadata((tmp_path / "out" / "README.md").read_text())
    assert data["license"] == "cc-by-4.0" and data["size_categories"] == ["n<1K"] and "source_datasets" not in data
    with pytest.raises(SystemExit, match="'CC BY 4.0' is no license id"):
        main([*arguments, "--license", "CC BY 4.0"])
