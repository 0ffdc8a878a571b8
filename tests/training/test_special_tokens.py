"""The saved model reads texts where the trained one does."""

import pytest
import torch
from helpers.models import small_metaclip, small_siglip
from transformers import AutoModel, CLIPModel

from hf_hardneg.model.dual_encoder import embed_texts, find_text_format
from hf_hardneg.model.tower_layers import use_lean_activations


def legacy_clip(processor):
    """A CLIP whose config has the old wrong id, so that texts are read at the largest token id."""
    from hf_hardneg.training.make_start_model import build_model

    config = build_model(processor.tokenizer, num_hidden_layers=1).config
    config.text_config.eos_token_id = 2
    torch.manual_seed(0)
    return CLIPModel(config)


MODELS = {
    "CLIP with the old id": legacy_clip,
    "MetaCLIP 2": lambda processor: small_metaclip(processor.tokenizer),
    "SigLIP": lambda processor: small_siglip(processor.tokenizer),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_trained_model_and_what_was_saved_of_it_embed_alike(name, processor, make_trainer, tmp_path):
    trained = MODELS[name](processor)
    config = trained.config.get_text_config()
    config.pad_token_id = 1  # not the tokenizer's
    before = {key: getattr(config, key) for key in ("bos_token_id", "eos_token_id", "pad_token_id")}
    trainer = make_trainer(trained, save_strategy="steps", save_steps=2)
    trainer.train()
    trainer.save_model()
    for folder in (tmp_path / "out", tmp_path / "out" / "checkpoint-2"):
        saved = AutoModel.from_pretrained(folder).eval()
        assert {key: getattr(saved.config.get_text_config(), key) for key in before} == before
    saved = AutoModel.from_pretrained(tmp_path / "out").eval()
    use_lean_activations(saved)  # The trained model has them, too; others round otherwise.
    form = find_text_format(trained.eval(), processor.tokenizer, "padded")
    assert form == find_text_format(saved, processor.tokenizer, "padded")
    with torch.no_grad():
        inputs = form.tokenize(processor.tokenizer, ["a red car", "two small dogs on the left"])
        assert embed_texts(saved, inputs).equal(embed_texts(trained, inputs))


def test_an_added_token_with_a_larger_id_is_read_as_in_the_training(processor, make_trainer, tmp_path, model):
    """With the old id, a model reads a text at the largest token id; with the right id, at the end of the text."""
    import copy

    own = copy.deepcopy(processor)
    own.tokenizer.add_tokens(["<new>"])
    trained = legacy_clip(processor)
    trained.text_model.resize_token_embeddings(len(own.tokenizer))
    trained.config.text_config.vocab_size = len(own.tokenizer)
    trainer = make_trainer(trained, processing_class=own)
    trainer.train()
    trainer.save_model()
    saved = CLIPModel.from_pretrained(tmp_path / "out").eval()
    ids = own.tokenizer(["a <new> red car"], return_tensors="pt")["input_ids"]
    with torch.no_grad():
        ours, theirs = (one.eval().get_text_features(input_ids=ids).pooler_output for one in (trained, saved))
    torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=1e-3)  # Attention for tries rounds otherwise.
