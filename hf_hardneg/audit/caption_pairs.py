"""What readers are given: pairs of a caption and a negative, and captions that tell which words go together."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Captions:
    """Captions that tell which words go together.

    Attributes:
        texts: N captions.
        image_ids: The image of each, or None if it is not known.

    Raises:
        ValueError: If their numbers differ.
    """

    texts: Sequence[str]
    image_ids: Sequence[Hashable] | None = None

    def __post_init__(self) -> None:
        _require_equal(len(self.texts), self.image_ids)

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True)
class Pairs:
    """Captions with one negative each.

    Attributes:
        captions: N captions; one that has several negatives comes several times.
        negatives: N negatives.
        image_ids: The image of each, or None if it is not known.

    Raises:
        ValueError: If their numbers differ.
    """

    captions: Sequence[str]
    negatives: Sequence[str]
    image_ids: Sequence[Hashable] | None = None

    def __post_init__(self) -> None:
        if len(self.captions) != len(self.negatives):
            raise ValueError(f"There are {len(self.captions)} captions but {len(self.negatives)} negatives of pairs.")
        _require_equal(len(self.captions), self.image_ids)

    def __len__(self) -> int:
        return len(self.captions)

    def take(self, rows: np.ndarray) -> "Pairs":
        """Some of the pairs."""
        at = rows.tolist()
        ids = None if self.image_ids is None else [self.image_ids[i] for i in at]
        return Pairs([self.captions[i] for i in at], [self.negatives[i] for i in at], ids)


def _require_equal(size: int, image_ids: Sequence[Hashable] | None) -> None:
    if image_ids is not None and len(image_ids) != size:
        raise ValueError(f"There are {size} captions but {len(image_ids)} image ids.")
