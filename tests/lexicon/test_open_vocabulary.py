import json

import pytest
import yaml

from hf_hardneg.cli import main
from hf_hardneg.negatives.add_negatives import AddHardNegatives


CAPTIONS = [
    "The wooden wall has a painting.",
    "A broken wall near the painting.",
    "A wooden ladder and a broken ladder.",
]


@pytest.fixture
def vocabulary(tmp_path):
    source = tmp_path / "captions.jsonl"
    source.write_text("\n".join(json.dumps({"caption": caption}) for caption in CAPTIONS * 5))
    main(["vocabulary", str(source), "--out", str(tmp_path / "open.yaml"), "--min_count", "5"])
    return tmp_path / "open.yaml"


def test_nouns_and_adjectives_of_the_captions_become_a_concept(vocabulary):
    kinds = yaml.safe_load(vocabulary.read_text())["kinds"]
    assert {"wall", "painting", "ladder"} == set(kinds["noun"])
    assert {"wooden", "broken"} == set(kinds["adjective"])
    add = AddHardNegatives(concepts=("color", str(vocabulary)), num_negatives=99)
    batch = add({"caption": ["A red wooden wall."], "image_id": [0], "other_captions": [[]], "categories": [[]]})
    news = {
        new.split()[-1]
        for new, c in zip(batch["negative_news"][0], batch["negative_concepts"][0], strict=True)
        if c == "open"
    }
    assert news == {"broken", "painting", "ladder"}


def test_captions_without_common_words_say_so(tmp_path):
    source = tmp_path / "captions.jsonl"
    source.write_text('{"caption": "a wall"}')
    with pytest.raises(SystemExit, match="lower min_count"):
        main(["vocabulary", str(source), "--out", str(tmp_path / "open.yaml")])
