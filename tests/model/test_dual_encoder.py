import copy

import pytest
import torch
from helpers.captions import CAPTIONS
from helpers.models import SMALL, gray, small_metaclip, small_siglip
from transformers import BlipConfig, BlipModel, CLIPModel, CLIPTextModel, CLIPTokenizer

from hf_hardneg.model.dual_encoder import embed_images, embed_texts, find_text_format, take_collated_batches
from hf_hardneg.model.encoding import Encoder
from hf_hardneg.training.arguments import HardNegCLIPTrainingArguments
from hf_hardneg.training.collator import HardNegCollator
from hf_hardneg.training.trainer import HardNegCLIPTrainer


def test_clip_and_metaclip_pack_texts_and_siglip_pads_them_as_it_was_trained(model, processor):
    tokenizer = processor.tokenizer
    assert find_text_format(model, tokenizer).tree
    assert find_text_format(small_metaclip(tokenizer), tokenizer).tree
    siglip = find_text_format(small_siglip(tokenizer), tokenizer)
    assert (siglip.tree, siglip.padding, siglip.max_length) == (False, "max_length", 32)


def test_a_tree_that_a_bidirectional_tower_cannot_take_is_refused(processor):
    with pytest.raises(ValueError, match="'tree' gives SiglipModel other embeddings"):
        find_text_format(small_siglip(processor.tokenizer), processor.tokenizer, "tree")


@pytest.mark.parametrize("make", [small_metaclip, small_siglip])
def test_embeddings_are_those_of_the_models_own_forward(processor, make):
    model = make(processor.tokenizer).eval()
    plain = copy.deepcopy(model)
    form = find_text_format(model, processor.tokenizer)
    take_collated_batches(model)
    tokens = processor.tokenizer(CAPTIONS, padding="max_length", max_length=32, return_tensors="pt")
    pixels = torch.randn(5, 3, 48, 48)
    with torch.no_grad():
        output = plain(pixel_values=pixels, input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"])
        ours = model(pixel_values=pixels, image_id=torch.arange(5), **form.tokenize(processor.tokenizer, CAPTIONS))
    torch.testing.assert_close(ours["text_embeds"], output.text_embeds, atol=1e-5, rtol=0)
    torch.testing.assert_close(ours["image_embeds"], output.image_embeds, atol=1e-5, rtol=0)


def test_reading_one_patch_of_the_last_layer_changes_neither_images_nor_gradients(model):
    plain = copy.deepcopy(model)
    take_collated_batches(model)
    assert model.reads_first_patch
    pixels = torch.randn(5, 3, 48, 48)
    weights = torch.randn(5, model.config.projection_dim)
    for one in (model, plain):
        (embed_images(one, {"pixel_values": pixels}) * weights).sum().backward()
    torch.testing.assert_close(
        embed_images(model, {"pixel_values": pixels}), embed_images(plain, {"pixel_values": pixels})
    )
    for (name, ours), expected in zip(model.named_parameters(), plain.parameters(), strict=True):
        if expected.grad is not None:
            torch.testing.assert_close(ours.grad, expected.grad, atol=1e-5, rtol=1e-4, msg=name)


def test_a_prepared_model_takes_a_batch_of_the_collator_as_it_is(model, processor, training_rows):
    take_collated_batches(model)
    collator = HardNegCollator(processor, 2, text_format=find_text_format(model, processor.tokenizer))
    batch = collator([training_rows[i] for i in range(6)])
    output = model(**batch)
    assert len(output["image_embeds"]) == 6
    assert len(output["text_embeds"]) == 6 + int((batch["negative_concepts"] >= 0).sum()) > 6


def test_a_siglip_that_pools_by_attention_keeps_all_its_patches(processor):
    model = small_siglip(processor.tokenizer)
    take_collated_batches(model)
    assert not model.reads_first_patch


def test_other_calls_of_a_prepared_model_go_to_its_own_forward_and_it_is_saved_as_ever(model, processor, tmp_path):
    plain = copy.deepcopy(model)
    take_collated_batches(model)
    form = find_text_format(model, processor.tokenizer)
    assert form.tree
    inputs = processor(text=CAPTIONS, images=[gray()] * 5, return_tensors="pt", padding=True)
    torch.testing.assert_close(model(**inputs).logits_per_image, plain(**inputs).logits_per_image)
    model.save_pretrained(tmp_path)
    assert "hf_hardneg" not in (tmp_path / "config.json").read_text()
    again = CLIPModel.from_pretrained(tmp_path)
    torch.testing.assert_close(again(**inputs).logits_per_image, plain(**inputs).logits_per_image)
    assert CLIPTextModel.from_pretrained(tmp_path).config.hidden_size == model.config.text_config.hidden_size
    assert SMALL["num_hidden_layers"] == 2


def test_a_tree_batch_for_a_model_that_was_not_prepared_is_an_error_not_another_result(model, processor):
    ready = copy.deepcopy(model)
    form = find_text_format(ready, processor.tokenizer)
    rows = [{"image": gray(), "image_id": i, "caption": text} for i, text in enumerate(CAPTIONS * 3)]
    batch = HardNegCollator(processor, 0, text_format=form)(
        [{**r, "caption": f"{r['caption']} {i}"} for i, r in enumerate(rows)]
    )
    text = {
        k: v
        for k, v in batch.items()
        if k in ("input_ids", "position_ids", "path_index", "tree_mask", "read_index", "text_index")
    }
    assert batch["path_index"].shape[1]
    with pytest.raises(RuntimeError):
        embed_texts(model, text)


def with_eos(model, eos_token_id):
    """The same weights under another `eos_token_id`."""
    config = copy.deepcopy(model.config)
    config.text_config.eos_token_id = eos_token_id
    changed = type(model)(config).eval()
    changed.load_state_dict(model.state_dict())
    return changed


@pytest.mark.parametrize("layout", ["auto", "padded"])
def test_a_model_that_reads_texts_at_the_wrong_token_is_refused(model, processor, layout):
    ids = processor.tokenizer(["a photo of a cat"])["input_ids"][0]
    for wrong in (ids[0], *ids[1:-2], len(processor.tokenizer) - 3):  # at the beginning, at a word, at no token
        with pytest.raises(
            ValueError, match=rf"equal embeddings. It reads a text at the token {wrong} .*ends texts with"
        ):
            find_text_format(with_eos(model, wrong), processor.tokenizer, layout)
    for right in (ids[-1], 2):
        find_text_format(with_eos(model, right), processor.tokenizer, layout)


def test_a_tokenizer_without_its_files_is_refused_in_training_and_evaluation(model, processor, make_trainer):
    own = copy.deepcopy(processor)
    own.tokenizer = CLIPTokenizer()  # what transformers makes where vocabulary and merges are missing
    message = r"The tokenizer gives texts such as 'a photo of a cat' and 'a photo of a dog' equal token ids"
    for use in (Encoder, lambda model, processor: make_trainer(model, processing_class=processor)):
        with pytest.raises(ValueError, match=message):
            use(model, own)
    args = HardNegCLIPTrainingArguments(output_dir="out", use_cpu=True, report_to="none")
    with pytest.raises(ValueError, match=message):  # also where the user made the collator
        HardNegCLIPTrainer(model, args, HardNegCollator(own, 3))


def test_a_tower_whose_long_texts_lose_their_end_is_refused(model, processor):
    class Cutting:
        """A tokenizer that cuts long texts without their end token."""

        model_input_names, eos_token_id = processor.tokenizer.model_input_names, processor.tokenizer.eos_token_id
        name_or_path = "cutting"

        def __call__(self, texts, truncation=False, max_length=None, **options):
            found = processor.tokenizer(texts, **options)
            cut = found["input_ids"][:, :max_length] if "return_tensors" in options else None
            found["input_ids"] = [ids[:max_length] for ids in found["input_ids"]] if cut is None else cut
            return found

    with pytest.raises(ValueError, match="such as 'a cat and a tree' and 'a dog and a tree' equal embeddings"):
        find_text_format(model, Cutting())


def test_a_blip_model_is_trained(processor, make_trainer):
    shape = {**SMALL, "num_hidden_layers": 1}
    special = {name: getattr(processor.tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    text = {**shape, **special, "vocab_size": len(processor.tokenizer), "max_position_embeddings": 32}
    # With its default of 1e-10, a new vision tower embeds all images alike.
    vision = {**shape, "image_size": 48, "patch_size": 16, "initializer_range": 0.02}
    config = BlipConfig(text_config=text, vision_config=vision, projection_dim=32)
    blip = BlipModel(config)
    before = copy.deepcopy(blip.state_dict())
    make_trainer(blip).train()
    after = blip.state_dict()
    assert all(torch.isfinite(weights).all() for weights in after.values())
    assert sum(not after[name].equal(before[name]) for name in before) > len(before) / 2


def test_kept_image_embeddings_get_the_dtype_of_the_model(model, processor, training_rows):
    batch = HardNegCollator(processor, num_negatives=2)([training_rows[0], training_rows[1]])
    take_collated_batches(model.bfloat16())
    batch["image_embeds"] = embed_images(model, {"pixel_values": batch.pop("pixel_values")}).float()
    outputs = model(**{name: part for name, part in batch.items() if name != "negative_concepts"})
    assert outputs["image_embeds"].dtype == outputs["text_embeds"].dtype == torch.bfloat16


def test_a_model_that_sees_no_difference_between_images_is_refused(model, processor):
    from hf_hardneg.model.encoding import Encoder

    torch.nn.init.zeros_(model.vision_model.embeddings.patch_embedding.weight)
    with pytest.raises(ValueError, match="gives different images equal embeddings"):
        Encoder(model, processor)


def test_an_image_processor_that_loses_the_image_is_refused(model, processor, monkeypatch):
    from hf_hardneg.model.encoding import Encoder

    monkeypatch.setattr(processor.image_processor, "image_std", [float("inf")] * 3)
    with pytest.raises(ValueError, match="makes equal inputs of different images"):
        Encoder(model, processor)


def test_a_trainer_refuses_a_model_that_embeds_images_alike(model, make_trainer):
    torch.nn.init.zeros_(model.vision_model.embeddings.patch_embedding.weight)
    with pytest.raises(ValueError, match="gives different images equal embeddings"):
        make_trainer(model)
