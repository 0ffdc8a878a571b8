import torch
from helpers.captions import scene_captions

from hf_hardneg.model.loading import START_MODEL
from hf_hardneg.scenes.world import COLORS, KINDS
from hf_hardneg.training.make_start_model import build_model


def test_every_word_of_the_scenes_is_one_token_and_other_text_falls_back_to_bytes(processor):
    tokenizer = processor.tokenizer
    for word in [*COLORS, *(word for kind in KINDS for word in kind.split())]:
        assert len(tokenizer.tokenize(word)) == 1
    text = "Zürich, 3 œufs 🚗"
    assert tokenizer.unk_token_id not in tokenizer(text, add_special_tokens=False)["input_ids"]


def test_both_ways_to_find_the_end_of_a_text_agree(processor):
    tokens = processor.tokenizer(scene_captions(20, "eos"), padding=True, return_tensors="pt")
    ids = tokens["input_ids"]
    by_id = (ids == processor.tokenizer.eos_token_id).int().argmax(dim=-1)
    assert torch.equal(by_id, ids.argmax(dim=-1))
    assert torch.equal(by_id, tokens["attention_mask"].sum(dim=-1) - 1)


def test_the_seed_decides_the_weights(processor):
    models = [build_model(processor.tokenizer, seed) for seed in (0, 0, 1)]
    first, again, other = (model.visual_projection.weight for model in models)
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_the_shipped_start_model_is_small_and_holds_no_pickle():
    files = list(START_MODEL.iterdir())
    assert sum(file.stat().st_size for file in files) < 8e6
    assert {file.suffix for file in files} == {".json", ".safetensors"}
