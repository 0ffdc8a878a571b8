"""Embed images and texts with a dual encoder and its processor: each distinct one once, in batches."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor

from ..data.lazy_images import LazyImage, UnusableImage
from .dual_encoder import embed_images, embed_texts, find_text_format, take_collated_batches
from .loading import load_model, pick_device


BATCH_SIZE = 128
CPU_BATCH_SIZE = 32  # images: what a layer hands on then stays in the cache (ViT-B/32: 96 ms an image, 112 at 128)


def text_limit(model: Any) -> int:
    """The most tokens a text may have: the size of the text tower's position table."""
    return model.config.get_text_config().max_position_embeddings


@torch.inference_mode()
def _embed_inputs(model: Any, inputs: Sequence[Mapping[str, Tensor]]) -> Tensor:
    """Embeddings (N, D) of N preprocessed images, on the CPU in float32."""
    model.eval()
    parts = []
    size = CPU_BATCH_SIZE if model.device.type == "cpu" else BATCH_SIZE
    for start in range(0, len(inputs), size):
        batch = inputs[start : start + size]
        joined = {name: torch.cat([one[name] for one in batch]).to(model.device) for name in batch[0]}
        parts.append(embed_images(model, joined).float().cpu())
    return torch.cat(parts)


def encode_images(model: Any, processor: Any, images: Sequence[Image]) -> Tensor:
    """Unit-norm embeddings of PIL images of any mode, (N, D) on the CPU in float32; the model is left in eval mode."""
    prepare = processor.image_processor
    parts = []
    for start in range(0, len(images), BATCH_SIZE):
        batch = [prepare([image.convert("RGB")], return_tensors="pt") for image in images[start : start + BATCH_SIZE]]
        parts.append(_embed_inputs(model, batch))
    return torch.cat(parts)


class Encoder:
    """A model that remembers what it has encoded, so that tasks share their images and texts.

    Attributes:
        text_format: How texts are laid out.
        problems: Why images could not be encoded, by their key.
        cut: How many texts were longer than the position table and cut there.

    Args:
        model: A dual encoder of transformers, on its device; it is left in eval mode.
        processor: Its processor.
        layout: "padded" leaves the model as it is; "auto" prepares its towers to compute only what is read, and for
            token tries where the text tower can do them.
    """

    def __init__(self, model: Any, processor: Any, layout: str = "padded") -> None:
        if getattr(processor, "tokenizer", None) is None or getattr(processor, "image_processor", None) is None:
            raise ValueError(
                f"The model's processor is a {type(processor).__name__}; evaluation needs one with a tokenizer and an "
                "image processor. Save those of the model that was fine-tuned beside the weights."
            )
        if layout == "auto":
            take_collated_batches(model)  # whose towers compute only what is read
        self.model, self.processor = model, processor
        self.text_format = find_text_format(model, processor.tokenizer, layout)
        self.problems: dict[Hashable, str] = {}
        self.cut = 0
        self._images: dict[Hashable, np.ndarray] = {}
        self._texts: dict[str, np.ndarray] = {}

    def images(self, images: Sequence[LazyImage]) -> np.ndarray:
        """Unit-norm embeddings (N, D) in float32; rows of images that cannot be read are nan, see `problems`.

        Raises:
            ValueError: If none can be read, or the model's embeddings are not finite.
        """
        new = {image.key: image for image in images if image.key not in self._images | self.problems}
        for keys, batch in self._batches(new):
            self._store(self._images, keys, _embed_inputs(self.model, batch).numpy())
        known = next((self._images[image.key] for image in images if image.key in self._images), None)
        if known is None:
            reasons = sorted({self.problems[image.key] for image in images})
            raise ValueError(f"None of {len(images)} images can be used: {', '.join(reasons) or 'there are none'}.")
        absent = np.full_like(known, np.nan)
        return np.stack([self._images.get(image.key, absent) for image in images])

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        """Unit-norm embeddings (N, D) in float32; texts beyond the position table are cut there.

        Raises:
            ValueError: If the model's embeddings are not finite.
        """
        new = self._sorted([text for text in dict.fromkeys(texts) if text not in self._texts])
        self.model.eval()
        for start in range(0, len(new), BATCH_SIZE):
            batch = new[start : start + BATCH_SIZE]
            with torch.inference_mode():
                inputs = self.text_format.tokenize(self.processor.tokenizer, batch)
                tokens = {name: part.to(self.model.device) for name, part in inputs.items()}
                self._store(self._texts, batch, embed_texts(self.model, tokens).float().cpu().numpy())
        return np.stack([self._texts[text] for text in texts])

    def _sorted(self, texts: list[str]) -> list[str]:
        """Neighbors in a batch of about equal length, or for tries of equal beginning, so that little is padding."""
        lengths = [len(ids) for ids in self.processor.tokenizer(texts, verbose=False)["input_ids"]] if texts else []
        self.cut += sum(length > self.text_format.max_length for length in lengths)
        if self.text_format.tree:
            return sorted(texts)
        return [text for _, text in sorted(zip(lengths, texts, strict=True))]

    def _prepare(self, image: LazyImage) -> Mapping[str, Tensor] | str:
        """The model's inputs of an image, or why it cannot be used."""
        try:
            return self.processor.image_processor([image.read()], return_tensors="pt")
        except UnusableImage as problem:
            return str(problem)

    def _batches(
        self, images: dict[Hashable, LazyImage]
    ) -> Iterator[tuple[list[Hashable], list[Mapping[str, Tensor]]]]:
        """Readable images in batches, read and prepared by threads while the batch before is encoded."""
        keys = list(images)
        parts = [keys[start : start + BATCH_SIZE] for start in range(0, len(keys), BATCH_SIZE)]
        with ThreadPoolExecutor() as pool:
            coming = [pool.submit(self._prepare, images[key]) for key in parts[0]] if parts else []
            for i, part in enumerate(parts):
                read = [future.result() for future in coming]
                coming = (
                    [pool.submit(self._prepare, images[key]) for key in parts[i + 1]] if i + 1 < len(parts) else []
                )
                self.problems |= {key: image for key, image in zip(part, read, strict=True) if isinstance(image, str)}
                good = {key: image for key, image in zip(part, read, strict=True) if not isinstance(image, str)}
                if good:
                    yield list(good), list(good.values())

    @staticmethod
    def _store(known: dict[Any, np.ndarray], keys: Sequence[Hashable], embeddings: np.ndarray) -> None:
        if not np.isfinite(embeddings).all():
            raise ValueError("The model's embeddings are nan or infinite: its weights are broken, train it again.")
        known.update(zip(keys, embeddings, strict=True))


def load_encoder(name_or_path: str) -> Encoder:
    """Load a model and its processor to score tasks, on the device that Accelerate chooses.

    Args:
        name_or_path: Hub id or folder of a dual encoder, such as CLIP or SigLIP.

    Raises:
        OSError: If there is no such model.
        ValueError: If it is no dual encoder, or has no processor with a tokenizer and an image processor.
    """
    model, processor = load_model(name_or_path)
    return Encoder(model.to(pick_device()), processor, layout="auto")


def encode_texts(model: Any, processor: Any, texts: Sequence[str]) -> Tensor:
    """Unit-norm embeddings of texts, (N, D) on the CPU in float32; texts beyond the position table are cut there."""
    return torch.from_numpy(Encoder(model, processor).texts(texts))
