"""Rows to tensors: pixels, captions and their negatives in one batch of tokens padded to its longest row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import ProcessorMixin

from .columns import CAPTION, IMAGE, IMAGE_ID, NEGATIVE_CONCEPTS, NEGATIVES
from .lexicon import CONCEPTS


NO_NEGATIVE = -100  # also what Trainer pads labels with


@dataclass
class HardNegCollator:
    """Make the batch that `HardNegCLIPTrainer` takes.

    Three rows with 2, 0 and 1 negatives and `num_negatives=2` give

        pixel_values       (3, 3, H, W)
        input_ids          (6, L): captions 0, 1, 2, then the negatives 0.0, 0.1 and 2.0
        negative_concepts  [[c, c], [-100, -100], [c, -100]], the concept's place in `concepts`, -100 for none
        image_id           (3,)

    Attributes:
        processor: A `CLIPProcessor` or the like.
        num_negatives: K; further negatives of a row are left out, and 0 gives plain CLIP batches.
        concepts: Names that `negative_concepts` may hold.
        max_length: Most tokens a text may have, the size of the model's position table.
    """

    processor: ProcessorMixin
    num_negatives: int
    concepts: Sequence[str] = CONCEPTS
    max_length: int = 77

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        """Take rows with the columns image, image_id, caption and, for K > 0, negatives and negative_concepts."""
        texts = [row[CAPTION] for row in rows]
        concept_ids = torch.full((len(rows), self.num_negatives), NO_NEGATIVE)
        for i, row in enumerate(rows):
            for k, negative in enumerate(row[NEGATIVES][: self.num_negatives] if self.num_negatives else ()):
                texts.append(negative)
                concept_ids[i, k] = self.concepts.index(row[NEGATIVE_CONCEPTS][k])
        tokens = self.processor.tokenizer(
            texts, padding=True, truncation=True, max_length=self.max_length, return_tensors="pt"
        )
        pixels = self.processor.image_processor([row[IMAGE].convert("RGB") for row in rows], return_tensors="pt")
        # No attention mask: CLIP's text tower is causal and read at EOS, so that the padding behind changes nothing,
        # and attention without a mask is faster. pixel_values come first: Trainer takes the batch size from there.
        return {
            "pixel_values": pixels["pixel_values"],
            "input_ids": tokens["input_ids"],
            NEGATIVE_CONCEPTS: concept_ids,
            IMAGE_ID: torch.tensor([row[IMAGE_ID] for row in rows]),
        }
