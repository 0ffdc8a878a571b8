"""The cards of released checkpoints, as published, and those that commands write: metadata, figures and code."""

import json
from pathlib import Path

import pytest
from huggingface_hub import ModelCard
from PIL import Image

from hf_hardneg.report.model_card import build_model_card
from hf_hardneg.report.table import format_table


ROOT = Path(__file__).parents[2]
CARDS = sorted((ROOT / "model_cards").glob("*.md"))
GOLDEN = Path(__file__).parent / "golden_model_card.md"
MINIATURE = json.loads((ROOT / "benchmarks" / "miniature" / "results.json").read_text())
FACTS = {
    "title": "hardneg-clip",
    "base": "openai/clip-vit-base-patch32",
    "location": "org/hardneg-clip",
    "rows": 10,
    "version": "0.1.0",
    "num_negatives": 3,
    "concepts": "object, color",
    "has_control": True,
    "steps": 5,
    "batch_size": 8,
    "learning_rate": 1e-05,
    "weight_decay": 0.1,
    "seed": 0,
    "data": "org/data",
    "skipped": "none",
    "negatives": "color 3",
    "rejections": "none",
    "limits": "Small.",
    "temperature": 1.35,
    "language_model": None,
    "given_negatives": None,
    "twin_pairs": 0,
    "twin_sets": "",
    "is_coco": False,
    "time": "8 s",
    "hardware": "1 core",
    "audit": None,
    "lora_towers": "",
    "license": None,
    "base_model": "openai/clip-vit-base-patch32",
    "dataset_id": "org/data",
    "pairs_id": "phiyodr/InpaintCOCO",
}


LABELS = ["a ball", "a box"]
AUDIT = {
    "captions": 9,
    "pairs": 20,
    "pairs_read": 20,
    "readers": {
        "rules": {"share": 50.0, "low": 48.0, "high": 52.0},
        "boosted": {"share": 61.04, "low": 58.0, "high": 64.0},
    },
}


def run_code(text, folder):
    """Run a card's code in one namespace; photo.jpg is a picture in `folder`."""
    Image.new("RGB", (64, 48), "red").save(folder / "photo.jpg")
    blocks = [block.split("```")[0] for block in text.split("```python\n")[1:]]
    assert len(blocks) == 2
    names = {}
    for block in blocks:
        exec(block.replace("photo.jpg", str(folder / "photo.jpg")), names)
    return names


def check_metadata(card):
    """What the Hub's own validation asks for and can be known without it."""
    data = card.data
    assert data.pipeline_tag == "zero-shot-image-classification" and data.library_name == "transformers"
    assert data.license == (data.license or "").lower() or data.base_model
    assert bool(data.model_name) == bool(data.eval_results)
    for result in data.eval_results or ():
        assert 0 <= result.metric_value <= 100 and result.dataset_type.count("/") == 1
    index = data.to_dict().get("model-index", [{"name", "results"}])
    assert [set(entry) >= {"name", "results"} for entry in index] == [True]
    assert ModelCard(str(card)).data.to_dict() == data.to_dict()


@pytest.mark.parametrize("file", CARDS, ids=lambda file: file.stem)
def test_every_card_loads_and_has_valid_metadata(file):
    card = ModelCard.load(file)
    check_metadata(card)
    for part in ("## Use", "## Results", "## Training", "## Limits", "## License", "## Citation"):
        assert part in card.text


def test_the_start_models_card_tells_its_measured_figures_and_its_code_runs(monkeypatch, tmp_path):
    card = ModelCard.load(ROOT / "model_cards" / "start-model.md")
    start = MINIATURE["results"]["start"]
    assert format_table({"start": start}) in card.text
    assert card.data.eval_results is None  # rendered scenes are no data set on the Hub
    monkeypatch.chdir(ROOT)
    names = run_code(card.text, tmp_path)
    assert names["model"].num_parameters() < 2e6
    scores = {answer["label"]: answer["score"] for answer in names["classify"](Image.new("RGB", (48, 48)), LABELS)}
    assert set(scores) == set(LABELS) and sum(scores.values()) == pytest.approx(1)


def test_a_card_names_base_data_audit_and_the_weakest_concept():
    results = {name: MINIATURE["results"][name] for name in ("start", "control (K = 0)", "K = 3")}
    card = ModelCard(build_model_card(results, "K = 3", "scenes", {**FACTS, "audit": AUDIT}))
    check_metadata(card)
    of_model = results["K = 3"]
    in_card = {(result.dataset_config, result.metric_type): result for result in card.data.eval_results}
    assert {key: result.metric_value for key, result in in_card.items()} == {
        (key, name): round(of_model[key][name]["value"], 2) for key in of_model for name in of_model[key]
    }
    for (key, _), result in in_card.items():
        assert result.dataset_type == ("org/data" if key == "retrieval" else "phiyodr/InpaintCOCO")
    assert 'pipeline("zero-shot-image-classification", model="org/hardneg-clip")' in card.text
    assert card.data.base_model == "openai/clip-vit-base-patch32" and card.data.datasets == ["org/data"]
    assert card.data.license is None and "Its license also holds for them" in card.text
    assert "61.0 % [58.0, 64.0]" in card.text and "weakest concept here: location" in card.text
    assert "not audited" in build_model_card(results, "K = 3", "scenes", FACTS)
    assert "hard negatives\n\nspaCy" not in build_model_card(results, "K = 3", "scenes", {**FACTS, "num_negatives": 0})


def test_the_card_is_the_golden_one():
    results = {name: MINIATURE["results"][name] for name in ("start", "control (K = 0)", "K = 3")}
    facts = {**FACTS, "audit": AUDIT}
    assert build_model_card(results, "K = 3", "scenes", facts) == GOLDEN.read_text(encoding="utf-8")


def test_the_card_tells_of_twins():
    results = {name: MINIATURE["results"][name] for name in ("start", "control (K = 0)", "K = 3")}
    card = build_model_card(results, "K = 3", "scenes", {**FACTS, "twin_pairs": 30, "twin_sets": "org/twins"})
    assert (
        "object, color), and with 30 pairs of twins: two images" in card and "org/data and twins: org/twins." in card
    )
    assert "without hard negatives and with twins in any order: same start" in card


def test_the_code_of_a_written_card_runs(tmp_path):
    results = {name: MINIATURE["results"][name] for name in ("start", "K = 3")}
    facts = {**FACTS, "location": str(ROOT / "hf_hardneg" / "start_model")}
    names = run_code(build_model_card(results, "K = 3", "scenes", facts), tmp_path)
    assert names["model"].config.model_type == "clip" and names["classify"].task == "zero-shot-image-classification"


def test_the_model_index_names_hub_ids_and_no_others():
    results = {"K = 3": MINIATURE["results"]["K = 3"]}
    facts = {**FACTS, "data": "scenes", "dataset_id": None}
    card = ModelCard(build_model_card(results, "K = 3", "phiyodr/InpaintCOCO", facts))
    entries = {(result.dataset_config, result.dataset_type, result.dataset_name) for result in card.data.eval_results}
    assert ("color", "phiyodr/InpaintCOCO", "phiyodr/InpaintCOCO (color)") in entries
    assert {dataset for _, dataset, _ in entries} == {"phiyodr/InpaintCOCO"}
