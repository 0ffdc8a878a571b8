"""A gate that asks a dual encoder, such as CLIP, whether an edit shows what its caption says."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from PIL import Image

from ...model.encoding import encode_images, encode_texts
from ...model.loading import load_model
from ..pretrained import explain_out_of_memory, load_pretrained, pick_device
from ..run_settings import CLIP
from .gates import Candidate


WRONG_WAY = "the edit does not bring the photo nearer to the new caption than to the old one"
PREFERS_OLD = "the edited photo still fits the old caption better"


def judge_scores(scores: Sequence[Sequence[float]], prefers_new: bool = False) -> str | None:
    """Return the reason against an edit, or None.

    Args:
        scores: (2, 2) cosines. Rows are the photo and the edited photo, columns the old and the new caption.
        prefers_new: If true, the edited photo must also fit the new caption better than the old one.

    Example:
        >>> judge_scores([[0.30, 0.25], [0.28, 0.27]])  # the new caption gains 0.02, the old one loses 0.02
        >>> judge_scores([[0.30, 0.25], [0.28, 0.27]], prefers_new=True)
        'the edited photo still fits the old caption better'
        >>> judge_scores([[0.30, 0.25], [0.33, 0.27]])
        'the edit does not bring the photo nearer to the new caption than to the old one'
    """
    (photo_old, photo_new), (edited_old, edited_new) = scores
    if not edited_new - edited_old > photo_new - photo_old:
        return WRONG_WAY
    return PREFERS_OLD if prefers_new and not edited_new > edited_old else None


class ClipGate:
    """A gate with a dual encoder of transformers (CLIP, MetaCLIP 2, SigLIP, ...): call it with a `Candidate`.

    The edit must raise the cosine with the new caption by more than the cosine with the old one.
    Embeddings of the last photo and the last captions are cached.

    Args:
        name_or_path: Hub id or folder.
        prefers_new: If true, the edited photo must also fit the new caption better than the old one.

    Raises:
        ValueError: If the model cannot be loaded or is of another kind.

    Example:
        >>> gate = ClipGate("openai/clip-vit-base-patch32")  # doctest: +SKIP
        >>> gate(candidate)  # doctest: +SKIP
        'the edit does not bring the photo nearer to the new caption than to the old one'
    """

    def __init__(self, name_or_path: str = CLIP, *, prefers_new: bool = False) -> None:
        self.name_or_path, self.prefers_new = name_or_path, prefers_new
        self.model, self.processor = load_pretrained(
            name_or_path, "a dual encoder of images and texts", CLIP, lambda: load_model(name_or_path)
        )
        with explain_out_of_memory(name_or_path):
            self.model.to(pick_device())
        self._embed_text = lru_cache(maxsize=64)(self._encode_text)
        self._photo: tuple[np.ndarray, torch.Tensor] | None = None

    def __call__(self, candidate: Candidate) -> str | None:
        """Return the reason against a candidate, or None."""
        return judge_scores(self.score(candidate), self.prefers_new)

    def score(self, candidate: Candidate) -> list[list[float]]:
        """Return the cosines of images and captions.

        Returns:
            (2, 2). Rows are the photo and the edited photo, columns the old and the new caption.
        """
        # The builder passes one array for all candidates of a photo.
        if self._photo is None or self._photo[0] is not candidate.photo:
            self._photo = (candidate.photo, self._encode_image(candidate.photo))
        images = torch.stack([self._photo[1], self._encode_image(candidate.edited)])
        captions = (candidate.proposal.caption, candidate.proposal.new_caption)
        return (images @ torch.stack([self._embed_text(text) for text in captions]).T).tolist()

    def _encode_image(self, pixels: np.ndarray) -> Any:
        with explain_out_of_memory(self.name_or_path):
            return encode_images(self.model, self.processor, [Image.fromarray(pixels)])[0]

    def _encode_text(self, text: str) -> Any:
        return encode_texts(self.model, self.processor, [text])[0]
