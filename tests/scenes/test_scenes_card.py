from datasets import load_dataset
from helpers.dataset_cards import read_metadata

from hf_hardneg.columns import TWIN_ROW_FEATURES
from hf_hardneg.lexicon.concepts import CONCEPTS
from hf_hardneg.scenes import write_scenes
from hf_hardneg.scenes.world import scene_pairs, scene_twins
from hf_hardneg.training.arguments import DataArguments
from hf_hardneg.training.prepare import load_sources
from hf_hardneg.training.twin_batches import find_twin_rows


def test_the_card_has_metadata_that_the_hub_accepts(tmp_path):
    write_scenes(tmp_path / "scenes", rows=5, pairs_per_concept=1)
    card = (tmp_path / "scenes" / "README.md").read_text()
    data = read_metadata(card)
    assert data["size_categories"] == ["n<1K"] and data["license"] == "apache-2.0"
    assert data["source_datasets"] == ["original"] and "https://github.com/org/hf-hardneg" in card
    sizes = [len(load_dataset(str(tmp_path / "scenes"), *args)) for args in (["captions"], ["pairs"])]
    assert sizes == [1, 1]  # one split each
    assert len(load_dataset(str(tmp_path / "scenes"), "pairs", split="test")) == 4


def test_pairs_to_train_on_are_other_ones_than_those_held_out(tmp_path):
    folder = tmp_path / "scenes"
    write_scenes(folder, rows=5, pairs_per_concept=3, twins_per_concept=3)
    assert "12 more pairs" in (folder / "README.md").read_text()
    pairs, twins = (load_dataset(str(folder), name)[split] for name, split in (("pairs", "test"), ("twins", "train")))
    assert len(twins) == 12 and twins.features == pairs.features
    assert not {*pairs["coco_caption"]} & {*twins["coco_caption"]}
    args = DataArguments(num_rows=20, held_out_images=2, pairs_per_concept=1, twins=[f"{folder}:twins:train"])
    rows = load_sources(args).rows
    assert len(find_twin_rows(rows).pairs) == 12 and len(rows.unique("image_id")) == len(rows)
    write_scenes(folder, rows=5, pairs_per_concept=1)
    assert not (folder / "twins").exists() and "more pairs" not in (folder / "README.md").read_text()


def test_scenes_that_a_run_renders_as_twins_are_those_of_the_folder():
    pairs, rows = (
        scene_pairs("twins", 2),
        scene_twins("twins", dict.fromkeys(CONCEPTS, 2), first_pair=7, first_image=50),
    )
    assert rows.features == TWIN_ROW_FEATURES
    assert rows["image_id"][:] == [*range(50, 66)] and rows["pair_id"][:] == [7 + i // 2 for i in range(16)]
    captions = [text for pair in pairs for text in (pair["coco_caption"], pair["inpaint_caption"])]
    assert rows["caption"][:] == captions
    assert rows[3]["image"].tobytes() == pairs[1]["inpaint_image"].tobytes()
