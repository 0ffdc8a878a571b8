"""What a vision tower makes of images, kept for the next model that has the same tower."""

import hashlib
from typing import Any

import numpy as np


NO_SETTINGS = ("_name_or_path", "transformers_version", "architectures")  # what a config says and no tower reads


def vision_digest(model: Any, processor: Any, projected: bool = True) -> str:
    """Compute a digest of all that an image embedding depends on: the vision tower and the image processor.

    Args:
        model: A dual encoder of transformers.
        processor: Its processor.
        projected: Whether the embedding also depends on the projection.
    """
    settings = sorted(processor.image_processor.to_dict().items(), key=str)
    # Towers with the same weights may differ in their activation, for example.
    tower = {**model.config.vision_config.to_dict(), "dtype": str(model.dtype)}
    for name in NO_SETTINGS:
        tower.pop(name, None)
    digest = hashlib.sha256(repr([settings, sorted(tower.items(), key=str)]).encode())
    for name, weights in sorted(model.state_dict().items()):
        if name.startswith("vision_model.") or (projected and name.startswith("vis")):  # visual_projection
            digest.update(name.encode() + weights.detach().cpu().contiguous().float().numpy().tobytes())
    return digest.hexdigest()


class TowerFeatures:
    """What the vision tower of the last model made of its images, before the projection.

    Models that were trained with `text_only` have the vision tower of their start model. With one `TowerFeatures` for
    all of them, each image goes through that tower once.
    """

    def __init__(self) -> None:
        self._digest = ""
        self._features: dict[bytes, np.ndarray] = {}

    def of_tower(self, model: Any, processor: Any) -> dict[bytes, np.ndarray] | None:
        """The features (H,) of a model's tower so far, by the digest of an image's pixels. Add to them what is new.

        Args:
            model: A dual encoder of transformers.
            processor: Its processor.

        Returns:
            An empty dict if the last model had another tower. None if the model has no projection.
        """
        if not hasattr(model, "visual_projection"):
            return None
        digest = vision_digest(model, processor, projected=False)
        if digest != self._digest:
            self._digest, self._features = digest, {}
        return self._features
