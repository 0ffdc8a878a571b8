"""Embed many images and texts with a dual encoder, in batches, and each distinct one only once.

Texts are the same if the model reads the same token ids, and images if it sees the same pixels. They get the same
embedding, bit for bit, whatever else is in the batch.
"""

import hashlib
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor

from ..data.lazy_images import LazyImage
from ..data.photos import UnusableImage, upright_rgb
from ..finite import require_finite
from .dual_encoder import (
    check_images_differ,
    embed_images,
    embed_texts,
    find_text_format,
    pooled_images,
    project_images,
    take_collated_batches,
)
from .image_features import TowerFeatures
from .loading import load_model, pick_device


BATCH_SIZE = 128
# On a CPU, the states of fewer images stay in its cache. Images a second on one core: EfficientNet-Lite0 16 to 19
# at 8, 11 at 32, 6 at 128; ViT-B/32 8 at 8, 7 at 32.
CPU_BATCH_SIZE = 8


def text_limit(model: Any) -> int:
    """Return the most tokens of a text: the size of the text tower's position table."""
    return model.config.get_text_config().max_position_embeddings


def encode_images(model: Any, processor: Any, images: Sequence[Image], projected: bool = True) -> Tensor:
    """Embed PIL images.

    Args:
        model: A dual encoder of transformers. It is put into eval mode.
        processor: Its processor.
        images: N images of any mode and size, at least one.
        projected: False gives what the vision tower gives to its projection.

    Returns:
        Unit-norm embeddings (N, D) in float32 on the CPU; without the projection (N, H), of any norm.

    Example:
        >>> from PIL import Image as PILImage
        >>> from hf_hardneg.model import START_MODEL, load_model
        >>> encode_images(*load_model(str(START_MODEL)), [PILImage.new("RGB", (48, 48))]).shape
        torch.Size([1, 128])
    """
    prepare = processor.image_processor
    parts = []
    for start in range(0, len(images), BATCH_SIZE):
        batch = [prepare([upright_rgb(image)], return_tensors="pt") for image in images[start : start + BATCH_SIZE]]
        parts.append(_embed_inputs(model, batch, embed_images if projected else pooled_images))
    return torch.cat(parts)


def encode_texts(model: Any, processor: Any, texts: Sequence[str]) -> Tensor:
    """Embed texts.

    Args:
        model: A dual encoder of transformers. It is put into eval mode.
        processor: Its processor.
        texts: N texts, at least one. Texts with too many tokens are cut.

    Returns:
        Unit-norm embeddings (N, D) in float32 on the CPU.

    Example:
        >>> from hf_hardneg.model import START_MODEL, load_model
        >>> encode_texts(*load_model(str(START_MODEL)), ["a cat", "a dog"]).shape
        torch.Size([2, 128])
    """
    return torch.from_numpy(Encoder(model, processor).texts(texts))


class Encoder:
    """A dual encoder that keeps its embeddings, so that tasks with the same images and texts share them.

    Attributes:
        text_format: How the model wants its tokens.
        problems: Why an image could not be encoded, by the image's key.
        cut: How many texts had too many tokens and were cut.

    Args:
        model: A dual encoder of transformers, on its device. It is put into eval mode.
        processor: Its processor.
        layout: "padded" leaves the model as it is. "auto" makes it faster: it changes the towers in place, and packs
            texts into tries if the text tower can use them.
        tower_features: Of the models before, so that models with one vision tower run it once.

    Raises:
        ValueError: If the processor has no tokenizer or no image processor, or the model embeds different texts or
            different images alike.

    Example:
        >>> from hf_hardneg.model import START_MODEL, load_model
        >>> encoder = Encoder(*load_model(str(START_MODEL)))
        >>> encoder.texts(["a cat", "a dog", "a cat"]).shape
        (3, 128)
    """

    def __init__(
        self, model: Any, processor: Any, layout: str = "padded", tower_features: TowerFeatures | None = None
    ) -> None:
        if getattr(processor, "tokenizer", None) is None or getattr(processor, "image_processor", None) is None:
            raise ValueError(
                f"The model's processor is a {type(processor).__name__}; evaluation needs one with a tokenizer and an "
                "image processor. Save those of the model that was fine-tuned beside the weights."
            )
        self._features = tower_features.of_tower(model, processor) if tower_features else None
        if layout == "auto":
            take_collated_batches(model)  # Its layers then compute only what embeddings need.
        self.model, self.processor = model, processor
        self.text_format = find_text_format(model, processor.tokenizer, layout)
        check_images_differ(model, processor)
        self.problems: dict[Hashable, str] = {}
        self.cut = 0
        self._images: dict[Hashable, np.ndarray] = {}
        self._by_pixels: dict[bytes, np.ndarray] = {}
        self._texts: dict[str, np.ndarray] = {}
        self._by_ids: dict[tuple[int, ...], np.ndarray] = {}

    def images(self, images: Sequence[LazyImage]) -> np.ndarray:
        """Embed N images: unit-norm rows (N, D) in float32.

        Images of equal pixels get equal rows. Images that cannot be read have a reason in `problems`; their rows are
        no embeddings.

        Raises:
            ValueError: If no image can be read, or the embeddings are not finite.
        """
        new = {image.key: image for image in images if image.key not in self._images | self.problems}
        for keys, batch in self._batches(new):
            digests = [_digest(inputs) for inputs in batch]
            unseen = {d: inputs for d, inputs in zip(digests, batch, strict=True) if d not in self._by_pixels}
            if unseen:
                self._store(self._by_pixels, list(unseen), self._embed_images(unseen))
            self._images |= {key: self._by_pixels[digest] for key, digest in zip(keys, digests, strict=True)}
        example = next((self._images[image.key] for image in images if image.key in self._images), None)
        if example is None:
            reasons = sorted({self.problems[image.key] for image in images})
            raise ValueError(f"None of {len(images)} images can be used: {', '.join(reasons) or 'there are none'}.")
        absent = np.full_like(example, np.nan)
        return np.stack([self._images.get(image.key, absent) for image in images])

    def _embed_images(self, inputs: Mapping[bytes, Mapping[str, Tensor]]) -> np.ndarray:
        """Embed N preprocessed images that differ, by their digests: (N, D)."""
        if self._features is None:
            return _embed_inputs(self.model, list(inputs.values())).numpy()
        new = [digest for digest in inputs if digest not in self._features]
        if new:
            pooled = _embed_inputs(self.model, [inputs[digest] for digest in new], pooled_images).numpy()
            self._features |= zip(new, pooled, strict=True)
        features = torch.from_numpy(np.stack([self._features[digest] for digest in inputs]))
        with torch.inference_mode():
            return project_images(self.model, features.to(self.model.device)).float().cpu().numpy()

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        """Embed N texts: unit-norm rows (N, D) in float32. Texts with too many tokens are cut.

        Texts of equal token ids get equal rows.

        Raises:
            ValueError: If the embeddings are not finite.
        """
        new = [text for text in dict.fromkeys(texts) if text not in self._texts]
        if new:
            self._texts |= zip(new, self._encode_new(new), strict=True)
        return np.stack([self._texts[text] for text in texts])

    def _encode_new(self, texts: list[str]) -> list[np.ndarray]:
        """The embeddings of texts, which are computed for token ids that did not occur before."""
        tokenizer, limit = self.processor.tokenizer, self.text_format.max_length
        self.cut += sum(len(ids) > limit for ids in tokenizer(texts, verbose=False)["input_ids"])
        keys = [tuple(ids) for ids in tokenizer(texts, truncation=True, max_length=limit)["input_ids"]]
        unseen = {ids: text for ids, text in zip(keys, texts, strict=True) if ids not in self._by_ids}
        # Sorted so that a batch has little padding: by length, or for tries by their beginnings.
        order = sorted(unseen) if self.text_format.tree else sorted(unseen, key=lambda ids: (len(ids), ids))
        self.model.eval()
        for start in range(0, len(order), BATCH_SIZE):
            batch = order[start : start + BATCH_SIZE]
            with torch.inference_mode():
                inputs = self.text_format.tokenize(tokenizer, [unseen[ids] for ids in batch])
                tokens = {name: part.to(self.model.device) for name, part in inputs.items()}
                self._store(self._by_ids, batch, embed_texts(self.model, tokens).float().cpu().numpy())
        return [self._by_ids[ids] for ids in keys]

    def _prepare(self, image: LazyImage) -> Mapping[str, Tensor] | str:
        """Preprocess an image, or return the reason why it cannot be used."""
        try:
            return self.processor.image_processor([image.read()], return_tensors="pt")
        except UnusableImage as problem:
            return str(problem)

    def _batches(
        self, images: dict[Hashable, LazyImage]
    ) -> Iterator[tuple[list[Hashable], list[Mapping[str, Tensor]]]]:
        """Yield keys and inputs of the readable images in batches. Threads read the next batch meanwhile."""
        keys = list(images)
        parts = [keys[start : start + BATCH_SIZE] for start in range(0, len(keys), BATCH_SIZE)]
        with ThreadPoolExecutor() as pool:
            pending = [pool.submit(self._prepare, images[key]) for key in parts[0]] if parts else []
            for i, part in enumerate(parts):
                inputs = [future.result() for future in pending]
                pending = (
                    [pool.submit(self._prepare, images[key]) for key in parts[i + 1]] if i + 1 < len(parts) else []
                )
                by_key = dict(zip(part, inputs, strict=True))
                self.problems |= {key: reason for key, reason in by_key.items() if isinstance(reason, str)}
                readable = {key: image for key, image in by_key.items() if not isinstance(image, str)}
                if readable:
                    yield list(readable), list(readable.values())

    @staticmethod
    def _store(known: dict[Any, np.ndarray], keys: Sequence[Hashable], embeddings: np.ndarray) -> None:
        require_finite(embeddings, "numbers of the model's embeddings")
        known.update(zip(keys, embeddings, strict=True))


def _digest(inputs: Mapping[str, Tensor]) -> bytes:
    """Equal for images that the model sees alike."""
    digest = hashlib.sha256()
    for name, part in sorted(inputs.items()):
        digest.update(f"{name} {tuple(part.shape)}".encode())
        digest.update(part.contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.digest()


def load_encoder(name_or_path: str, tower_features: TowerFeatures | None = None) -> Encoder:
    """Load a model and its processor to score tasks, on the device that Accelerate chooses.

    Args:
        name_or_path: Hub id or folder of a dual encoder, such as CLIP or SigLIP.
        tower_features: Of the models before, so that models with one vision tower run it once.

    Raises:
        OSError: If there is no such model.
        ValueError: If it is no dual encoder, or has no processor with a tokenizer and an image processor.

    Examples:
        >>> from hf_hardneg.model import START_MODEL
        >>> load_encoder(str(START_MODEL)).texts(["a red ball", "a blue ball"]).shape
        (2, 128)
    """
    model, processor = load_model(name_or_path)
    return Encoder(model.to(pick_device()), processor, "auto", tower_features)


@torch.inference_mode()
def _embed_inputs(
    model: Any, inputs: Sequence[Mapping[str, Tensor]], embed: Callable[..., Tensor] = embed_images
) -> Tensor:
    """Embed N preprocessed images: (N, D) in float32 on the CPU."""
    model.eval()
    parts = []
    size = CPU_BATCH_SIZE if model.device.type == "cpu" else BATCH_SIZE
    for start in range(0, len(inputs), size):
        batch = inputs[start : start + size]
        joined = {name: torch.cat([one[name] for one in batch]).to(model.device) for name in batch[0]}
        parts.append(embed(model, joined).float().cpu())
    return torch.cat(parts)
