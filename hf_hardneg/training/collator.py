"""Rows to tensors: images, captions and their negatives as one batch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import ProcessorMixin

from ..columns import CAPTION, IMAGE, IMAGE_EMBEDS, IMAGE_ID, NEGATIVE_CONCEPTS, NEGATIVES
from ..lexicon.concepts import CONCEPTS
from ..model.dual_encoder import TextFormat


NO_NEGATIVE = -100  # also what Trainer pads labels with


@dataclass
class HardNegCollator:
    """Make the batch that `HardNegCLIPTrainer` takes.

    Three rows with 2, 0 and 1 negatives and `num_negatives=2` give

        pixel_values       (3, 3, H, W), or what else the image processor makes
        input_ids          (6, L): captions 0, 1, 2, then the negatives 0.0, 0.1 and 2.0; or their `TextTree`
        negative_concepts  [[c, c], [-100, -100], [c, -100]], the concept's place in `concepts`, -100 for none
        image_id           (3,)

    Rows with the column image_embeds give these, (3, D), instead of pixels.

    Attributes:
        processor: A `CLIPProcessor` or the like.
        num_negatives: K; further negatives of a row are left out, and 0 gives plain CLIP batches.
        concepts: Names that `negative_concepts` may hold.
        text_format: How the model wants its tokens, from `find_text_format`.
    """

    processor: ProcessorMixin
    num_negatives: int
    concepts: Sequence[str] = CONCEPTS
    text_format: TextFormat = field(default_factory=TextFormat)

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        """Take rows with the columns image, image_id, caption and, for K > 0, negatives and negative_concepts."""
        texts = [row[CAPTION] for row in rows]
        concept_ids = torch.full((len(rows), self.num_negatives), NO_NEGATIVE)
        for i, row in enumerate(rows):
            for k, negative in enumerate(row[NEGATIVES][: self.num_negatives] if self.num_negatives else ()):
                texts.append(negative)
                concept_ids[i, k] = self.concepts.index(row[NEGATIVE_CONCEPTS][k])
        # Images come first: Trainer takes the batch size from there.
        return {
            **self._images(rows),
            **self.text_format.tokenize(self.processor.tokenizer, texts),
            NEGATIVE_CONCEPTS: concept_ids,
            IMAGE_ID: torch.tensor([row[IMAGE_ID] for row in rows]),
        }

    def _images(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        if IMAGE_EMBEDS in rows[0]:
            return {IMAGE_EMBEDS: torch.tensor([row[IMAGE_EMBEDS] for row in rows])}
        images = [row[IMAGE].convert("RGB") for row in rows]
        return dict(self.processor.image_processor(images, return_tensors="pt"))


@dataclass
class ChunkCollator:
    """Collate rows in chunks: {"chunks": [batch of `size` rows, ..., the rest]}, for `grad_cache.py`."""

    collator: HardNegCollator
    size: int

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, list[dict[str, torch.Tensor]]]:
        """Take the rows of a whole contrastive batch."""
        return {"chunks": [self.collator(rows[i : i + self.size]) for i in range(0, len(rows), self.size)]}
