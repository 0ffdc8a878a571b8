"""The collator: from rows to one batch of images, captions and negatives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import ProcessorMixin

from ..columns import CAPTION, IMAGE, IMAGE_EMBEDS, IMAGE_FEATURES, IMAGE_ID, NEGATIVE_CONCEPTS, NEGATIVES, PAIR_ID
from ..data.photos import upright_rgb
from ..lexicon.concepts import CONCEPTS
from ..model.dual_encoder import TextFormat
from ..model.embeddings import NO_PAIR


NO_NEGATIVE = -100  # Trainer pads labels with the same number.


@dataclass
class HardNegCollator:
    """Make the batch that `HardNegCLIPTrainer` takes.

    A batch of B rows has N negatives that exist, at most B * K. It holds

    - `pixel_values` (B, 3, H, W), or what else the image processor makes. Rows with the column `image_embeds` or
      `image_features` give that (B, D) instead;
    - `input_ids` (B + N, L): all captions, then the negatives of row 0, of row 1, and so on. If `text_format.tree` is
      true, the tensors of a `TextTree` of these texts instead;
    - `negative_concepts` (B, K): for each negative, the index of its concept in `concepts`; -100 where there is none;
    - `image_id` (B,): equal for captions of the same image;
    - `pair_id` (B,), if the rows have that column: equal for two twins; `embeddings.NO_PAIR` for single images.

    Args:
        processor: A `CLIPProcessor` or another processor with a tokenizer and an image processor.
        num_negatives: K. Further negatives of a row are left out; 0 gives plain CLIP batches.
        concepts: The names that the column `negative_concepts` may hold.
        text_format: How the model wants its tokens, from `find_text_format`.

    Example:
        Any tokenizer and image processor will do; these need no download.

        >>> from types import SimpleNamespace
        >>> from PIL import Image
        >>> def tokenizer(texts, **options):  # A token is the length of a word.
        ...     return {"input_ids": torch.tensor([[len(word) for word in text.split()] for text in texts])}
        >>> def image_processor(images, **options):
        ...     return {"pixel_values": torch.zeros(len(images), 3, 2, 2)}
        >>> processor = SimpleNamespace(tokenizer=tokenizer, image_processor=image_processor)
        >>> image = Image.new("RGB", (2, 2))
        >>> rows = [
        ...     {"image": image, "image_id": 7, "caption": "a red cup", "negatives": ["a blue cup", "a red vase"],
        ...      "negative_concepts": ["color", "object"]},
        ...     {"image": image, "image_id": 8, "caption": "the sun shines", "negatives": [], "negative_concepts": []},
        ... ]
        >>> batch = HardNegCollator(processor, num_negatives=2)(rows)
        >>> batch["input_ids"]  # Two captions, then the two negatives of row 0.
        tensor([[1, 3, 3],
                [3, 3, 6],
                [1, 4, 3],
                [1, 3, 4]])
        >>> batch["negative_concepts"]  # The concepts are object, color, size and location.
        tensor([[   1,    0],
                [-100, -100]])
        >>> batch["image_id"], batch["pixel_values"].shape
        (tensor([7, 8]), torch.Size([2, 3, 2, 2]))
    """

    processor: ProcessorMixin
    num_negatives: int
    concepts: Sequence[str] = CONCEPTS
    text_format: TextFormat = field(default_factory=TextFormat)

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        """Collate rows with the columns `image`, `image_id` and `caption`; for K > 0 also the two of the negatives.

        Raises:
            ValueError: If a negative's concept is not one of `concepts`.
        """
        texts = [row[CAPTION] for row in rows]
        concept_ids = torch.full((len(rows), self.num_negatives), NO_NEGATIVE)
        for i, row in enumerate(rows):
            for k, negative in enumerate(row[NEGATIVES][: self.num_negatives] if self.num_negatives else ()):
                texts.append(negative)
                concept_ids[i, k] = self.concepts.index(row[NEGATIVE_CONCEPTS][k])
        # Images come first, because Trainer reads the batch size from the first tensor.
        return {
            **self._images(rows),
            **self.text_format.tokenize(self.processor.tokenizer, texts),
            NEGATIVE_CONCEPTS: concept_ids,
            IMAGE_ID: torch.tensor([row[IMAGE_ID] for row in rows]),
            **_pair_ids(rows),
        }

    def _images(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        for column in (IMAGE_EMBEDS, IMAGE_FEATURES):
            if column in rows[0]:
                return {column: torch.tensor([row[column] for row in rows])}
        images = [upright_rgb(row[IMAGE]) for row in rows]
        return dict(self.processor.image_processor(images, return_tensors="pt"))


def _pair_ids(rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
    if PAIR_ID not in rows[0]:
        return {}
    return {PAIR_ID: torch.tensor([NO_PAIR if row.get(PAIR_ID) is None else row[PAIR_ID] for row in rows])}


@dataclass
class ChunkCollator:
    """Collate the rows of a batch in chunks, for `grad_cache.py`.

    Args:
        collator: Makes a chunk from rows.
        size: The rows of a chunk; the last chunk may have fewer.
    """

    collator: HardNegCollator
    size: int

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, list[dict[str, torch.Tensor]]]:
        """Collate the rows of a whole contrastive batch into `{"chunks": [batch, batch, ...]}`."""
        return {"chunks": [self.collator(rows[i : i + self.size]) for i in range(0, len(rows), self.size)]}
