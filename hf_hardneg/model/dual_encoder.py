"""How transformers' dual encoders (CLIP, MetaCLIP 2, SigLIP, ...) are run: one forward pass for all of training.

What a text tower can do is found out by trying, not from a list of models: whether padding changes a text's embedding,
whether it needs an attention mask, and whether texts can be packed into tries (text_tree.py).
"""

import types
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .token_trie import pack_texts
from .tower_layers import TREE_ATTENTION, read_last_layer, use_lean_activations


TEXT_INPUTS = ("input_ids", "attention_mask", "position_ids", "path_index", "tree_mask", "read_index", "text_index")
# The probes compare embeddings of one text computed in two ways; two different texts are farther apart than this share
# of their distance, in bf16, too.
TOLERANCE = 0.05
# What a tower of another make may raise when it is given tries.
FOREIGN_TOWER = (RuntimeError, TypeError, ValueError, IndexError, AttributeError, KeyError)
PROBES = ("a red car next to a dog", "a red bus", "two cats")


@dataclass(frozen=True)
class TextFormat:
    """How a model's text tower wants its tokens; `find_text_format` finds it out.

    Attributes:
        max_length: The most tokens of a text, the size of the position table.
        padding: "longest" where padding changes nothing, "max_length" where the model was made for full rows (SigLIP).
        attention_mask: Whether the tower must be told what is padding.
        tree: Whether texts are packed into tries.
        eos_token_id: Of the text config; decides where a text is read.
    """

    max_length: int = 77
    padding: Literal["longest", "max_length"] = "longest"
    attention_mask: bool = False
    tree: bool = False
    eos_token_id: int = 2

    def tokenize(self, tokenizer: Any, texts: Sequence[str]) -> dict[str, Tensor]:
        """Inputs of `embed_texts` for N texts; what is longer than `max_length` is cut there."""
        limits = {"truncation": True, "max_length": self.max_length}
        if self.tree:
            ids = tokenizer(list(texts), **limits)["input_ids"]
            packed = pack_texts(ids, self.eos_token_id, self.max_length)
            return {name: torch.from_numpy(part) for name, part in packed._asdict().items()}
        tokens = tokenizer(list(texts), padding=self.padding, return_tensors="pt", **limits)
        # Without a mask attention is faster, and a causal tower that is read at EOS needs none.
        names = ("input_ids", "attention_mask") if self.attention_mask else ("input_ids",)
        return {name: tokens[name] for name in names}


def _tree_states(model: Any, inputs: Mapping[str, Tensor]) -> Tensor:
    """The projected states (N, D) of N texts in a `TextTree`."""
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
    """Unit-norm embeddings (N, D) of what `TextFormat.tokenize` made."""
    if "tree_mask" in inputs:
        return F.normalize(_tree_states(model, inputs), dim=-1)
    return F.normalize(model.get_text_features(**inputs).pooler_output, dim=-1)


def embed_images(model: Any, inputs: Mapping[str, Tensor]) -> Tensor:
    """Unit-norm embeddings (B, D) of what the model's image processor made."""
    if getattr(model, "reads_first_patch", False):
        size = model.vision_model.embeddings.num_positions
        first = torch.arange(len(inputs["pixel_values"]), device=inputs["pixel_values"].device) * size
        inputs = {**inputs, "read_index": first}
    return F.normalize(model.get_image_features(**inputs).pooler_output, dim=-1)


def _forward(model: Any, *args: Any, **inputs: Any) -> Any:
    """The model's own forward pass, or for batches of `HardNegCollator` the embeddings and the temperature."""
    if "image_id" not in inputs:
        return type(model).forward(model, *args, **inputs)
    for name in ("image_id", "negative_concepts"):  # The batch has these for the loss.
        inputs.pop(name, None)
    text = {name: inputs.pop(name) for name in TEXT_INPUTS if name in inputs}
    image = inputs.pop("image_embeds", None)
    outputs = {
        "image_embeds": embed_images(model, inputs) if image is None else image,
        "text_embeds": embed_texts(model, text),
        "logit_scale": model.logit_scale.exp(),
    }
    if hasattr(model, "logit_bias"):
        # DDP follows outputs back to weights, and takes a weight that is itself an output for unused.
        outputs["logit_bias"] = model.logit_bias.clone()
    return outputs


def take_collated_batches(model: Any) -> None:
    """Let `model(**batch)` take batches of `HardNegCollator`; any other call goes to the model's own forward.

    The forward pass of the instance is replaced, as Accelerate does for mixed precision, instead of wrapping the
    model: names in checkpoints stay those of the plain model, and hooks of DDP, FSDP and DeepSpeed fire as ever.
    """
    vars(model)["forward"] = types.MethodType(_forward, model)
    use_lean_activations(model)
    if not hasattr(model, "reads_first_patch"):
        model.reads_first_patch = _reads_first_patch(model)


@torch.no_grad()
def _reads_first_patch(model: Any) -> bool:
    """Prepare the vision tower and try whether its embeddings hang on the last state of the first patch alone."""
    if not hasattr(model, "visual_projection"):
        return False
    config = model.config.vision_config
    pixels = torch.randn(
        3, config.num_channels, config.image_size, config.image_size, generator=torch.Generator().manual_seed(0)
    )
    inputs = {"pixel_values": pixels.to(model.device, model.dtype)}
    with _evaluating(model):
        expected = embed_images(model, inputs)
        try:
            read_last_layer(model.vision_model)
            model.reads_first_patch = True
            same = _alike(expected, embed_images(model, inputs))
        except FOREIGN_TOWER:
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
    """Try out how the text tower wants its tokens, and prepare it for tries where these will do.

    Args:
        model: A dual encoder of transformers, not wrapped.
        tokenizer: Its tokenizer.
        layout: "tree" and "padded" force one; "auto" takes tries where they give the embeddings of the plain path.

    Raises:
        ValueError: If `layout` is "tree" and the tower cannot do that.
    """
    config = model.config.get_text_config()
    eos = config.eos_token_id if isinstance(config.eos_token_id, int) else tokenizer.eos_token_id
    limit = config.max_position_embeddings
    with _evaluating(model):
        found = _find_padding(model, tokenizer, limit, eos)
        if layout == "padded":
            return found
        tree = TextFormat(limit, tree=True, eos_token_id=eos)
        works = _packs(model, tokenizer, tree, found)
    if layout == "tree" and not works:
        raise ValueError(
            f"text_layout 'tree' gives {type(model).__name__} other embeddings than one text a row: its text tower "
            "is not causal or takes no mask of this kind. Leave it at 'auto'."
        )
    return tree if works else found


def _embed(model: Any, tokenizer: Any, texts: Sequence[str], form: TextFormat) -> Tensor:
    inputs = form.tokenize(tokenizer, texts)
    return embed_texts(model, {name: part.to(model.device) for name, part in inputs.items()}).float()


def _alike(first: Tensor, second: Tensor) -> bool:
    """Whether rows are equal as far as it matters: closer than two different texts are."""
    return bool((first - second).norm(dim=-1).max() <= TOLERANCE * torch.pdist(first).min())


def _find_padding(model: Any, tokenizer: Any, limit: int, eos: int) -> TextFormat:
    takes_mask = "attention_mask" in tokenizer.model_input_names
    for mask in (False, True) if takes_mask else (False,):
        form = TextFormat(limit, attention_mask=mask, eos_token_id=eos)
        alone = torch.cat([_embed(model, tokenizer, [text], form) for text in PROBES])
        if _alike(alone, _embed(model, tokenizer, PROBES, form)):
            return form
    return TextFormat(limit, "max_length", takes_mask, eos_token_id=eos)


def _packs(model: Any, tokenizer: Any, tree: TextFormat, plain: TextFormat) -> bool:
    """Prepare the text tower for tries and see whether they give the plain path's embeddings."""
    if not hasattr(model, "text_projection"):
        return False
    expected = _embed(model, tokenizer, PROBES, plain)
    before = model.config.text_config._attn_implementation
    try:
        read_last_layer(model.text_model)
        model.set_attn_implementation({"text_config": TREE_ATTENTION})
        works = _alike(expected, _embed(model, tokenizer, PROBES, tree))
    except FOREIGN_TOWER:
        works = False
    if not works:
        model.set_attn_implementation({"text_config": before})
    return works
