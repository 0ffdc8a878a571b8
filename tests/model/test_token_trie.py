import copy

import numpy as np
import pytest
import torch
from helpers.captions import CAPTIONS, OTHER_CAPTIONS
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import CLIPConfig, CLIPModel

from hf_hardneg.model.dual_encoder import TextFormat, embed_texts, find_text_format
from hf_hardneg.model.token_trie import pack_texts


EOS = 9
TEXTS = st.lists(st.lists(st.integers(1, 3), max_size=7).map(lambda ids: [8, *ids, EOS]), min_size=1, max_size=20)


def attended(tree, place):
    """The nodes that the node at `place` attends to, in the order of their positions."""
    length, width = tree.input_ids.shape[1], tree.path_index.shape[1]
    row, column = divmod(place, length)
    keys = np.flatnonzero(tree.tree_mask[row, column])
    nodes = [int(tree.path_index[row, key]) if key < width else row * length + key - width for key in keys]
    return sorted(nodes, key=lambda node: tree.position_ids.flat[node])


@settings(max_examples=150, deadline=None)
@given(TEXTS, st.integers(9, 16))
def test_each_text_is_the_path_to_where_it_is_read_and_each_prefix_stands_once(texts, max_length):
    tree = pack_texts(texts, EOS, max_length)
    for i, text in enumerate(texts):
        nodes = attended(tree, int(tree.read_index[tree.text_index[i]]))
        assert [int(tree.input_ids.flat[node]) for node in nodes] == text
        assert [int(tree.position_ids.flat[node]) for node in nodes] == list(range(len(text)))
    prefixes = {tuple(text[:n]) for text in texts for n in range(1, len(text) + 1)}
    rows, length = tree.input_ids.shape
    assert (rows - 1) * length < len(prefixes) <= rows * length and length <= max_length
    places = [tuple(int(tree.input_ids.flat[n]) for n in attended(tree, place)) for place in range(len(prefixes))]
    assert set(places) == prefixes
    for place in range(len(prefixes), rows * length):
        assert attended(tree, place) == [place]  # padding: itself alone
    assert len(set(tree.read_index.tolist())) == len(tree.read_index)


def test_the_legacy_eos_reads_the_largest_token():
    assert pack_texts([[7, 9, 5]], 2, 77).read_index.tolist() == [1]
    assert pack_texts([[7, 9, 5]], 5, 77).read_index.tolist() == [2]


def test_a_text_that_the_position_table_cannot_hold_is_named():
    with pytest.raises(ValueError, match="A text has 5 tokens; the model reads 4"):
        pack_texts([[1, 2], [1, 2, 3, 4, 9]], EOS, 4)


TEXT_ROWS = [*CAPTIONS, *OTHER_CAPTIONS, *(text.replace("A ", "The ") for text in CAPTIONS), CAPTIONS[0], "A."]


def text_gradients(model, inputs, weights):
    model.zero_grad(set_to_none=True)
    embeds = embed_texts(model, inputs)
    (embeds * weights).sum().backward()
    return embeds.detach(), {n: p.grad for n, p in model.named_parameters() if p.grad is not None}


def assert_same_as_plain(model, tokenizer, prepare=lambda model: None):
    """Embeddings to 1e-5 and gradients to 1e-4 relative, against transformers' own forward of padded texts."""
    plain = copy.deepcopy(model)
    packed, padded = (find_text_format(m, tokenizer, layout) for m, layout in ((model, "tree"), (plain, "padded")))
    assert packed.tree and not padded.tree
    prepare(model)
    weights = torch.randn(len(TEXT_ROWS), model.config.projection_dim, generator=torch.Generator().manual_seed(0))
    ours, ours_gradients = text_gradients(model, packed.tokenize(tokenizer, TEXT_ROWS), weights)
    expected, gradients = text_gradients(plain, padded.tokenize(tokenizer, TEXT_ROWS), weights)
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=0)
    assert ours_gradients.keys() == gradients.keys()
    largest = max(gradient.norm() for gradient in gradients.values())
    for name, gradient in gradients.items():
        # Of key biases the gradient is rounding alone: they shift all attention scores alike.
        assert (ours_gradients[name] - gradient).norm() <= 1e-4 * gradient.norm() + 1e-6 * largest, name


@pytest.mark.parametrize("eos", ["legacy", "of the tokenizer"])
def test_vit_b_32_gets_the_embeddings_and_gradients_of_one_text_a_row(processor, eos):
    tokenizer = processor.tokenizer
    torch.manual_seed(0)
    model = CLIPModel(CLIPConfig()).train()  # the defaults are ViT-B/32
    model.text_model.eos_token_id = model.config.text_config.eos_token_id = (
        2 if eos == "legacy" else tokenizer.eos_token_id
    )
    assert_same_as_plain(model, tokenizer)


def test_checkpointing_gradients_changes_nothing(model, processor):
    assert_same_as_plain(
        model.train(), processor.tokenizer, lambda model: model.gradient_checkpointing_enable({"use_reentrant": False})
    )


def test_eager_attention_as_the_users_choice_changes_nothing(model, processor):
    model.set_attn_implementation("eager")
    assert_same_as_plain(model, processor.tokenizer)


def test_torch_compile_takes_the_tree(model, processor):
    packed = find_text_format(model, processor.tokenizer)
    inputs = packed.tokenize(processor.tokenizer, TEXT_ROWS)
    compiled = torch.compile(lambda: embed_texts(model, inputs), backend="aot_eager")
    torch.testing.assert_close(compiled(), embed_texts(model, inputs), atol=1e-5, rtol=1e-5)


def test_bf16_autocast_stays_as_near_as_bf16_is(model, processor):
    plain = copy.deepcopy(model)
    packed, padded = (find_text_format(m, processor.tokenizer, x) for m, x in ((model, "tree"), (plain, "padded")))
    inputs, plain_inputs = (form.tokenize(processor.tokenizer, TEXT_ROWS) for form in (packed, padded))
    exact = embed_texts(plain, plain_inputs)
    with torch.autocast("cpu", torch.bfloat16):
        ours, theirs = embed_texts(model, inputs), embed_texts(plain, plain_inputs)
    assert (ours - exact).norm(dim=-1).max() <= 2 * (theirs - exact).norm(dim=-1).max()


def test_a_format_cuts_what_is_too_long(processor):
    long = " ".join(["car"] * 60)
    for tree in (True, False):
        inputs = TextFormat(32, tree=tree, eos_token_id=processor.tokenizer.eos_token_id).tokenize(
            processor.tokenizer, [long]
        )
        assert inputs["input_ids"].shape == (1, 32)
