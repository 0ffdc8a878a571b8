"""Run dual encoders of transformers (CLIP, MetaCLIP 2, SigLIP, ...) on batches of images and texts.

Models differ: whether padding changes a text's embedding, whether the text tower needs an attention mask, and whether
texts can be packed into tries (text_tree.py). `find_text_format` tries this out, so there is no list of models.
"""

import types
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from .token_trie import pack_texts
from .tower_layers import TREE_ATTENTION, read_last_layer, use_lean_activations


TEXT_INPUTS = ("input_ids", "attention_mask", "position_ids", "path_index", "tree_mask", "read_index", "text_index")
PROBES = ("a red car next to a dog", "a red bus", "two cats")
# Texts that differ in their last word, and long ones that differ in their second: a tower that works tells them apart.
TEMPLATES = ("a photo of a {}", "a {}" + " and a tree" * 100)
ANIMALS = ("cat", "dog", "bird", "horse")
EQUAL = 1e-6  # Unit-norm embeddings that are nearer than this are equal up to rounding in float32.
# Two ways to embed the probes agree if no embedding moves by more than this share of the smallest distance between two
# probes. Rounding in bf16 moves them less.
TOLERANCE = 0.05
# What a text tower of another architecture may raise when it gets tries.
UNSUITED_TOWER_ERRORS = (RuntimeError, TypeError, ValueError, IndexError, AttributeError, KeyError)


@dataclass(frozen=True)
class TextFormat:
    """How a model's text tower wants its tokens; use `find_text_format` to get it.

    Attributes:
        max_length: The most tokens of a text: the size of the model's position table.
        padding: "longest" pads to the longest text of a batch. "max_length" is for models that were trained on texts
            of full length (SigLIP).
        attention_mask: Whether the tower needs a mask of the padding.
        tree: Whether texts are packed into tries, as `TextTree`.
        eos_token_id: As in the text config. It decides which token's state is the embedding; see `pool_position`.
    """

    max_length: int = 77
    padding: Literal["longest", "max_length"] = "longest"
    attention_mask: bool = False
    tree: bool = False
    eos_token_id: int = 2

    def tokenize(self, tokenizer: Any, texts: Sequence[str]) -> dict[str, Tensor]:
        """Tokenize N texts for `embed_texts`; longer texts are cut at `max_length` tokens."""
        limits = {"truncation": True, "max_length": self.max_length}
        if self.tree:
            ids = tokenizer(list(texts), **limits)["input_ids"]
            packed = pack_texts(ids, self.eos_token_id, self.max_length)
            return {name: torch.from_numpy(part) for name, part in packed._asdict().items()}
        tokens = tokenizer(list(texts), padding=self.padding, return_tensors="pt", **limits)
        # Attention is faster without a mask. A causal tower whose embedding is at the end of the text needs none.
        names = ("input_ids", "attention_mask") if self.attention_mask else ("input_ids",)
        return {name: tokens[name] for name in names}


def _tree_states(model: Any, inputs: Mapping[str, Tensor]) -> Tensor:
    """Compute the projected states (N, D) of the N texts of a `TextTree`."""
    mask = inputs["tree_mask"][:, None]
    dtype = model.text_projection.weight.dtype
    bias = torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill(~mask, torch.finfo(dtype).min)
    states = model.text_model(
        input_ids=inputs["input_ids"],
        position_ids=inputs["position_ids"],
        attention_mask=bias,
        path_index=inputs["path_index"],
        read_index=inputs["read_index"],
    ).last_hidden_state
    read = states.flatten(0, 1).index_select(0, inputs["read_index"])
    return model.text_projection(read).index_select(0, inputs["text_index"])


def embed_texts(model: Any, inputs: Mapping[str, Tensor]) -> Tensor:
    """Embed N texts.

    Args:
        model: A dual encoder. For tries it must be prepared by `find_text_format`.
        inputs: From `TextFormat.tokenize`, on the model's device.

    Returns:
        Unit-norm embeddings (N, D), with gradient.
    """
    if "tree_mask" in inputs:
        return F.normalize(_tree_states(model, inputs), dim=-1)
    return F.normalize(model.get_text_features(**inputs).pooler_output, dim=-1)


def embed_images(model: Any, inputs: Mapping[str, Tensor]) -> Tensor:
    """Embed B images.

    Args:
        model: A dual encoder.
        inputs: From the model's image processor, on the model's device.

    Returns:
        Unit-norm embeddings (B, D), with gradient.
    """
    return F.normalize(model.get_image_features(**_with_read_index(model, inputs)).pooler_output, dim=-1)


def pooled_images(model: Any, inputs: Mapping[str, Tensor]) -> Tensor:
    """What the vision tower makes of B images before the projection, (B, H)."""
    return model.vision_model(**_with_read_index(model, inputs)).pooler_output


def project_images(model: Any, features: Tensor) -> Tensor:
    """Embed B images of which `pooled_images` gave the features (B, H): unit-norm embeddings (B, D)."""
    return F.normalize(model.visual_projection(features.to(model.dtype)), dim=-1)


def _with_read_index(model: Any, inputs: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    if not getattr(model, "reads_first_patch", False):
        return inputs
    size = model.vision_model.embeddings.num_positions
    first = torch.arange(len(inputs["pixel_values"]), device=inputs["pixel_values"].device) * size
    return {**inputs, "read_index": first}


def _forward(model: Any, *args: Any, **inputs: Any) -> Any:
    """Embed a batch of `HardNegCollator`, or run the model's own forward pass on other inputs."""
    if "image_id" not in inputs:
        return type(model).forward(model, *args, **inputs)
    for name in ("image_id", "pair_id", "negative_concepts"):  # The batch has these for the loss.
        inputs.pop(name, None)
    text = {name: inputs.pop(name) for name in TEXT_INPUTS if name in inputs}
    outputs = {
        "image_embeds": _batch_images(model, inputs),
        "text_embeds": embed_texts(model, text),
        "logit_scale": model.logit_scale.exp(),
    }
    if hasattr(model, "logit_bias"):
        # A clone, because DistributedDataParallel takes a weight that is itself an output for unused.
        outputs["logit_bias"] = model.logit_bias.clone()
    return outputs


def _batch_images(model: Any, inputs: Mapping[str, Tensor]) -> Tensor:
    """Unit-norm embeddings of a batch's images, which may be encoded already, with or without the projection."""
    if "image_embeds" in inputs:
        return inputs["image_embeds"].to(model.dtype)
    if "image_features" in inputs:
        return project_images(model, inputs["image_features"])
    return embed_images(model, inputs)


def take_collated_batches(model: Any) -> None:
    """Let `model(**batch)` take batches of `HardNegCollator`; other calls still reach the model's own forward pass.

    For such a batch of B images and N texts, `model(**batch)` returns a dict: `image_embeds` (B, D) and `text_embeds`
    (N, D) of unit norm, the scalar `logit_scale`, and the scalar `logit_bias` if the model has one.

    This replaces `forward` on the instance, as Accelerate does for mixed precision. A wrapper around the model would
    change the names of weights in checkpoints. It also replaces the model's activations by leaner ones.

    Args:
        model: A dual encoder, not wrapped. It is changed in place.
    """
    vars(model)["forward"] = types.MethodType(_forward, model)
    use_lean_activations(model)
    if not hasattr(model, "reads_first_patch"):
        model.reads_first_patch = _reads_first_patch(model)


@torch.no_grad()
def _reads_first_patch(model: Any) -> bool:
    """Prepare the vision tower, and try whether an embedding comes from the last state of the first patch alone."""
    if not hasattr(model, "visual_projection"):
        return False
    config = model.config.vision_config
    shape = (3, getattr(config, "num_channels", 3), config.image_size, config.image_size)
    pixels = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    inputs = {"pixel_values": pixels.to(model.device, model.dtype)}
    with _evaluating(model):
        expected = embed_images(model, inputs)
        try:
            read_last_layer(model.vision_model)
            model.reads_first_patch = True
            same = _alike(expected, embed_images(model, inputs))
        except UNSUITED_TOWER_ERRORS:
            same = False
        model.reads_first_patch = False
    return same


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


@torch.no_grad()
def find_text_format(model: Any, tokenizer: Any, layout: str = "auto") -> TextFormat:
    """Find out how a text tower wants its tokens, and prepare it for tries if it can use them.

    Args:
        model: A dual encoder of transformers, not wrapped. Its text tower may be changed in place; its embeddings
            stay the same.
        tokenizer: Its tokenizer.
        layout: "tree" packs texts into tries, "padded" makes one row per text. "auto" packs them if the embeddings
            are those of "padded".

    Raises:
        ValueError: If the model cannot embed texts, embeds different texts alike, or cannot use tries although
            `layout` is "tree".

    Example:
        >>> from hf_hardneg.model import START_MODEL, load_model
        >>> model, processor = load_model(str(START_MODEL))
        >>> find_text_format(model, processor.tokenizer).tree
        True
    """
    config = model.config.get_text_config()
    eos = config.eos_token_id if isinstance(config.eos_token_id, int) else tokenizer.eos_token_id
    limit = config.max_position_embeddings
    with _evaluating(model):
        try:
            padded = _find_padding(model, tokenizer, limit, eos)
        except UNSUITED_TOWER_ERRORS as error:
            raise ValueError(
                f"{type(model).__name__} cannot embed texts ({type(error).__name__}: {error}): models that work are "
                "CLIP, MetaCLIP 2, SigLIP and SigLIP 2, each with its own tokenizer."
            ) from error
        check_texts_differ(model, tokenizer, padded)
        if layout == "padded":
            return padded
        tree = TextFormat(limit, tree=True, eos_token_id=eos)
        works = _can_use_tries(model, tokenizer, tree, padded)
    if layout == "tree" and not works:
        raise ValueError(
            f"text_layout 'tree' gives {type(model).__name__} other embeddings than one text a row: its text tower "
            "is not causal or takes no mask of this kind. Leave it at 'auto'."
        )
    return tree if works else padded


def _embed(model: Any, tokenizer: Any, texts: Sequence[str], form: TextFormat) -> Tensor:
    inputs = form.tokenize(tokenizer, texts)
    return embed_texts(model, {name: part.to(model.device) for name, part in inputs.items()}).float()


@torch.no_grad()
def check_texts_differ(model: Any, tokenizer: Any, form: TextFormat) -> None:
    """Check that a model tells simple texts apart; else it would train on, or be scored by, equal embeddings.

    Args:
        model: A dual encoder of transformers, not wrapped.
        tokenizer: Its tokenizer.
        form: How the model wants its tokens; texts may be padded or packed into tries.

    Raises:
        ValueError: If two different texts have equal token ids or equal embeddings.
    """
    for template in TEMPLATES:
        texts = [template.format(animal) for animal in ANIMALS]
        example = f"{texts[0][:16]!r} and {texts[1][:16]!r}"
        ids = tokenizer(texts, truncation=True, max_length=form.max_length)["input_ids"]
        if len(set(map(tuple, ids))) < len(texts):
            raise ValueError(
                f"The tokenizer gives texts such as {example} equal token ids {list(ids[0][:8])}: files of the "
                f"tokenizer are missing in {tokenizer.name_or_path}. Save the tokenizer of the model that it was made "
                "from beside the weights."
            )
        with _evaluating(model):
            distances = torch.pdist(_embed(model, tokenizer, texts, form))
        if distances.min() <= EQUAL:
            eos = model.config.get_text_config().eos_token_id
            raise ValueError(
                f"{type(model).__name__} gives texts such as {example} equal embeddings. It reads a text at the token "
                f"{eos} (eos_token_id in config.json), and its tokenizer ends texts with {ids[0][-1]}: repair "
                f"config.json in {tokenizer.name_or_path}, or save the right tokenizer beside the weights."
            )


@torch.no_grad()
def check_images_differ(model: Any, processor: Any) -> None:
    """Check that a model tells simple images apart; else it would train on, or be scored by, equal embeddings.

    Args:
        model: A dual encoder of transformers, not wrapped.
        processor: Its processor.

    Raises:
        ValueError: If two different images have equal inputs or equal embeddings.
    """
    noise = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    ramp = np.broadcast_to(np.arange(0, 256, 4, dtype=np.uint8)[:, None, None], (64, 64, 3))
    images = [Image.fromarray(np.ascontiguousarray(pixels)) for pixels in (*noise, ramp, 255 - ramp)]
    inputs = [processor.image_processor([image], return_tensors="pt") for image in images]
    pixels = [next(iter(one.values())) for one in inputs]
    if any(torch.equal(pixels[i], pixels[j]) for i, j in combinations(range(len(images)), 2)):
        raise ValueError(
            f"The image processor ({type(processor.image_processor).__name__}) makes equal inputs of different "
            "images: repair preprocessor_config.json, or save the processor of the model that it was made from beside "
            "the weights."
        )
    with _evaluating(model):
        joined = {name: torch.cat([one[name] for one in inputs]).to(model.device) for name in inputs[0]}
        distances = torch.pdist(embed_images(model, joined).float())
    if distances.min() <= EQUAL:
        raise ValueError(
            f"{type(model).__name__} gives different images equal embeddings, so nothing can be learned or measured: "
            "its vision weights are missing or broken. Save them anew, or name another model."
        )


def _alike(first: Tensor, second: Tensor) -> bool:
    """Whether the rows of two tensors (N, D) are equal, up to a small share of the distances between rows."""
    return bool((first - second).norm(dim=-1).max() <= TOLERANCE * torch.pdist(first).min())


def _find_padding(model: Any, tokenizer: Any, limit: int, eos: int) -> TextFormat:
    takes_mask = "attention_mask" in tokenizer.model_input_names
    for mask in (False, True) if takes_mask else (False,):
        form = TextFormat(limit, attention_mask=mask, eos_token_id=eos)
        alone = torch.cat([_embed(model, tokenizer, [text], form) for text in PROBES])
        if _alike(alone, _embed(model, tokenizer, PROBES, form)):
            return form
    return TextFormat(limit, "max_length", takes_mask, eos_token_id=eos)


def _can_use_tries(model: Any, tokenizer: Any, tree: TextFormat, padded: TextFormat) -> bool:
    """Prepare the text tower for tries, and check that the embeddings stay the same."""
    if not hasattr(model, "text_projection"):
        return False
    expected = _embed(model, tokenizer, PROBES, padded)
    before = model.config.text_config._attn_implementation
    try:
        read_last_layer(model.text_model)
        model.set_attn_implementation({"text_config": TREE_ATTENTION})
        works = _alike(expected, _embed(model, tokenizer, PROBES, tree))
    except UNSUITED_TOWER_ERRORS:
        works = False
    if not works:
        model.set_attn_implementation({"text_config": before})
    return works
