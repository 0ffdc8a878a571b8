import json

import numpy as np
import pytest
import torch
from datasets import load_dataset
from helpers.captions import scene_captions
from transformers import GPT2Config, GPT2LMHeadModel

from hf_hardneg.cli import main
from hf_hardneg.columns import NEGATIVE_FEATURES
from hf_hardneg.negatives.language_model import (
    TOO_LONG,
    UNLIKELY,
    ThinByLanguageModel,
    load_language_model,
    log_probabilities,
)


SENTENCES = ["a red car", "A blue car next to a dog.", "", "two dogs", "a red car and a blue bus on a street"]


@pytest.fixture(scope="module")
def gpt2(processor, tmp_path_factory):
    """A folder with a tiny random GPT-2 and a tokenizer."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("gpt2")
    config = GPT2Config(
        vocab_size=len(processor.tokenizer), n_positions=40, n_embd=16, n_layer=2, n_head=2, initializer_range=0.5
    )
    GPT2LMHeadModel(config).save_pretrained(folder)
    processor.tokenizer.save_pretrained(folder)
    return str(folder)


def log_probability(text, model, tokenizer):
    """One text alone, one token at a time."""
    ids = [tokenizer.bos_token_id, *tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    total = 0.0
    for i in range(1, len(ids)):
        with torch.no_grad():
            logits = model(torch.tensor([ids[:i]])).logits[0, -1]
        total += float(logits.double().log_softmax(-1)[ids[i]])
    return total


def rows(size, caption="a red car", negatives=("a blue car",), ratios=(1.0,)):
    """The same caption on `size` images."""
    row = {name: ["x"] * len(negatives) for name in NEGATIVE_FEATURES}
    row |= {"negatives": list(negatives), "negative_ratios": list(ratios), "rejections": []}
    batch = {name: [value] * size for name, value in row.items()}
    return {"caption": [caption] * size, "image_id": list(range(size)), **batch}


def test_a_text_scores_the_sum_over_its_tokens_whatever_is_beside_it(gpt2):
    model, tokenizer = load_language_model(gpt2)
    expected = [log_probability(text, model, tokenizer) for text in SENTENCES]
    for batch_size in (1, 2, 32):
        assert log_probabilities(SENTENCES, model, tokenizer, batch_size) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_negatives_stay_as_often_as_balance_under_the_language_model_asks(gpt2, temperature):
    model, tokenizer = load_language_model(gpt2)
    caption, negative = sorted(["a red car", "a blue car"], key=lambda text: log_probability(text, model, tokenizer))
    odds = log_probability(negative, model, tokenizer) - log_probability(caption, model, tokenizer)
    drawn = 2 * np.exp(odds / temperature)  # the slot model finds the negative twice as likely as it should
    made = ThinByLanguageModel(gpt2, temperature)(rows(4000, caption, [negative], [drawn]))
    share = sum(map(len, made["negatives"])) / 4000
    assert share == pytest.approx(0.5, abs=0.03)  # closed form: exp(odds / T) / drawn; 0.03 is four deviations
    kept = [ratio for ratios in made["negative_ratios"] for ratio in ratios]
    assert kept == pytest.approx([np.exp(odds / temperature)] * len(kept), rel=1e-3)
    # The way back was drawn half as often as it should be; all of it stays.
    back = ThinByLanguageModel(gpt2, temperature)(rows(50, negative, [caption], [1 / drawn]))
    assert sum(map(len, back["negatives"])) == 50


def test_a_row_that_loses_its_negatives_says_why_and_keeps_its_lists_parallel(gpt2):
    thin = ThinByLanguageModel(gpt2, 1.0)
    made = thin(rows(2, negatives=["a blue car", "a green car"], ratios=[1e30, 1e-30]))
    assert made["negatives"] == [["a green car"]] * 2 and made["rejections"] == [[], []]
    assert all(len(made[name][0]) == 1 for name in NEGATIVE_FEATURES if name != "rejections")
    assert thin(rows(1, ratios=[1e30]))["rejections"] == [[UNLIKELY]]
    assert thin(rows(1, "a red car " * 100, ["a blue car " * 100]))["rejections"] == [[TOO_LONG]]
    assert thin(rows(1, negatives=[], ratios=[]))["rejections"] == [[]]


def test_the_command_thins_and_its_card_says_by_which_model(gpt2, tmp_path):
    file = tmp_path / "captions.jsonl"
    file.write_text("\n".join(json.dumps({"caption": caption}) for caption in scene_captions(200)))
    for out, flags in (("all", []), ("thin", ["--language_model", gpt2])):
        main(["negatives", str(file), "--out", str(tmp_path / out), "--no_audit", *flags])
    before, after = (load_dataset(str(tmp_path / out), split="train")["negatives"] for out in ("all", "thin"))
    assert all(set(some) <= set(every) for some, every in zip(after, before, strict=True))
    assert 0 < sum(map(len, after)) < sum(map(len, before))
    assert gpt2 in (tmp_path / "thin" / "README.md").read_text()
    assert UNLIKELY in json.loads((tmp_path / "thin" / "negatives.json").read_text())["rejections"]


def test_another_model_in_the_same_folder_is_another_cache_key(gpt2, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    before = ThinByLanguageModel(str(tmp_path), 1.0)
    (tmp_path / "config.json").write_text('{"a": 1}')
    assert ThinByLanguageModel(str(tmp_path), 1.0) != before


def test_what_is_no_causal_language_model_is_one_sentence(start, tmp_path):
    with pytest.raises(ValueError, match="cannot be loaded as a causal language model"):
        load_language_model(start)
    with pytest.raises(ValueError, match="cannot be loaded as a causal language model"):
        load_language_model(str(tmp_path / "nowhere"))


def test_a_tokenizer_without_ends_of_text_is_refused(gpt2, tmp_path):
    model, tokenizer = load_language_model(gpt2)
    model.save_pretrained(tmp_path)
    tokenizer.backend_tokenizer.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
    with pytest.raises(ValueError, match="neither bos_token nor eos_token"):
        load_language_model(str(tmp_path))
