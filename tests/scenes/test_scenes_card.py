from datasets import load_dataset
from helpers.dataset_cards import read_metadata

from hf_hardneg.scenes import write_scenes


def test_the_card_has_metadata_that_the_hub_accepts(tmp_path):
    write_scenes(tmp_path / "scenes", rows=5, pairs_per_concept=1)
    card = (tmp_path / "scenes" / "README.md").read_text()
    data = read_metadata(card)
    assert data["size_categories"] == ["n<1K"] and data["license"] == "apache-2.0"
    assert data["source_datasets"] == ["original"] and "https://github.com/org/hf-hardneg" in card
    sizes = [len(load_dataset(str(tmp_path / "scenes"), *args)) for args in (["captions"], ["pairs"])]
    assert sizes == [1, 1]  # one split each
    assert len(load_dataset(str(tmp_path / "scenes"), "pairs", split="test")) == 4
