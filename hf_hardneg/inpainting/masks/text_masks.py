"""Masks from a noun alone: CLIPSeg, or Grounding DINO for the box and SAM for the mask in it, of transformers."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from ...data.coco_photos import CocoPhoto, Instance
from ..opencv import cv2
from ..pretrained import CLIPSEG, GROUNDING_DINO, SAM, load_transformer, memory_told
from ..propose.caption_grounding import clearly_largest
from ..propose.proposals import NO_CLEAR_INSTANCE
from .outlines import dilate, outline_error


NOT_FOUND = "the mask model does not find the thing"
CLIPSEG_THRESHOLD = 0.4  # ours, tried on no photo yet
BOX_THRESHOLD = 0.35  # that of Grounding DINO's own demo
SAME_BOX = 0.5  # overlap (intersection over union) from which on two boxes are of one thing


class ClipSegMasks:
    """Draw a thing by CLIPSeg; a `DrawMask` for `build`.

    Its masks are coarse: the one clearly largest part counts, grown by as much as an outline drawn by hand misses.

    Args:
        name_or_path: Hub id or folder.
        threshold: The least probability, 0 to 1, of a pixel of the thing.

    Raises:
        ValueError: If it cannot be loaded or is another kind of model.
    """

    def __init__(self, name_or_path: str = CLIPSEG, *, threshold: float = CLIPSEG_THRESHOLD) -> None:
        from transformers import CLIPSegForImageSegmentation

        self.name_or_path, self.threshold = name_or_path, _share(threshold)
        self.model, self.processor = load_transformer(
            CLIPSegForImageSegmentation, name_or_path, ("clipseg",), "a CLIPSeg model", CLIPSEG
        )

    def __call__(self, photo: CocoPhoto, pixels: np.ndarray, orientation: int, instance: Instance) -> np.ndarray | str:
        """The mask of what the instance's category names, (H, W) of bool for the upright `pixels`, or a reason."""
        region = clearest_part(self.probabilities(pixels, instance.category) > self.threshold)
        return region if isinstance(region, str) else dilate(region, outline_error(region))

    @torch.inference_mode()
    def probabilities(self, pixels: np.ndarray, noun: str) -> np.ndarray:
        """How likely each pixel of a photo, (H, W, 3), belongs to a `noun`: (H, W) of 0 to 1."""
        inputs = self.processor(
            images=[pixels],
            text=[f"a photo of a {noun}"],  # the wording of CLIP's own prompts
            padding=True,
            truncation=True,
            return_tensors="pt",
        ).to(self.model.device)
        with memory_told(self.name_or_path):
            logits = self.model(**inputs).logits
        logits = logits.reshape(1, 1, *logits.shape[-2:]).float()
        return F.interpolate(logits, pixels.shape[:2], mode="bilinear").sigmoid()[0, 0].cpu().numpy()


class GroundedSamMasks:
    """Draw a thing by Grounding DINO, which finds its box, and SAM, which draws it; a `DrawMask` for `build`.

    Args:
        detector: Hub id or folder of Grounding DINO.
        segmenter: Hub id or folder of SAM.
        threshold: The least score, 0 to 1, of a box.

    Raises:
        ValueError: If one cannot be loaded or is another kind of model.
    """

    def __init__(
        self, detector: str = GROUNDING_DINO, segmenter: str = SAM, *, threshold: float = BOX_THRESHOLD
    ) -> None:
        from transformers import AutoModelForZeroShotObjectDetection, SamModel

        self.names, self.threshold = (detector, segmenter), _share(threshold)
        kinds = ("grounding-dino", "mm-grounding-dino")
        self.detector, self.detector_processor = load_transformer(
            AutoModelForZeroShotObjectDetection, detector, kinds, "a Grounding DINO model", GROUNDING_DINO
        )
        self.segmenter, self.segmenter_processor = load_transformer(SamModel, segmenter, ("sam",), "a SAM model", SAM)
        self._seen: tuple[np.ndarray, Any] | None = None

    def __call__(self, photo: CocoPhoto, pixels: np.ndarray, orientation: int, instance: Instance) -> np.ndarray | str:
        """The mask of what the instance's category names, (H, W) of bool for the upright `pixels`, or a reason."""
        box = pick_box(*self.find_boxes(pixels, instance.category))
        return box if isinstance(box, str) else self.draw(pixels, box)

    @torch.inference_mode()
    def find_boxes(self, pixels: np.ndarray, noun: str) -> tuple[np.ndarray, np.ndarray]:
        """Boxes (N, 4) of left, top, right, bottom in pixels, and their scores (N,), above the threshold."""
        process = self.detector_processor
        # The detector was trained on nouns in lower case, each ended by a full stop.
        inputs = process(images=pixels, text=f"{noun.lower()}.", return_tensors="pt").to(self.detector.device)
        with memory_told(self.names[0]):
            outputs = self.detector(**inputs)
        (found,) = process.post_process_grounded_object_detection(
            outputs, inputs["input_ids"], threshold=self.threshold, target_sizes=[pixels.shape[:2]]
        )
        boxes = found["boxes"].cpu().numpy().reshape(-1, 4)
        frame = np.array(pixels.shape[1::-1] * 2)
        return boxes.clip(0, frame), found["scores"].cpu().numpy()

    @torch.inference_mode()
    def draw(self, pixels: np.ndarray, box: np.ndarray) -> np.ndarray | str:
        """SAM's mask of the thing in a box of `pick_box`, (H, W) of bool, or why there is none."""
        process, device = self.segmenter_processor, self.segmenter.device
        inputs = process(pixels, input_boxes=[[box.tolist()]], return_tensors="pt")
        with memory_told(self.names[1]):
            # The photo takes nearly all of the time, and a builder hands the same array on for all its things.
            if self._seen is None or self._seen[0] is not pixels:
                seen = self.segmenter.get_image_embeddings(inputs["pixel_values"].to(device))
                self._seen = (pixels, seen)
            outputs = self.segmenter(
                image_embeddings=self._seen[1],
                input_boxes=inputs["input_boxes"].float().to(device),
                multimask_output=False,  # a box leaves nothing open
            )
        (masks,) = process.image_processor.post_process_masks(
            outputs.pred_masks.float().cpu(), inputs["original_sizes"], inputs["reshaped_input_sizes"]
        )
        mask = masks[0, 0].numpy()
        return mask if mask.any() else NOT_FOUND


def clearest_part(region: np.ndarray) -> np.ndarray | str:
    """The only connected part of (H, W) of bool or the clearly largest one, or why there is none."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(region.astype(np.uint8))
    if len(stats) < 2:
        return NOT_FOUND
    place = clearly_largest(stats[1:, cv2.CC_STAT_AREA].tolist())
    return NO_CLEAR_INSTANCE if place is None else labels == place + 1


def pick_box(boxes: np.ndarray, scores: np.ndarray) -> np.ndarray | str:
    """The box, (4,), of the only thing or the clearly largest one, or why there is none.

    Args:
        boxes: (N, 4) of left, top, right, bottom; several of one thing count once, by the best score.
        scores: (N,).

    Examples:
        >>> pick_box(np.array([[0, 0, 10, 10], [0, 0, 10, 9], [20, 0, 23, 3]]), np.array([0.5, 0.6, 0.4]))
        array([ 0,  0, 10,  9])
    """
    kept: list[np.ndarray] = []
    for box in boxes[np.argsort(-scores, kind="stable")]:
        if _area(box) > 0 and all(_overlap(box, other) < SAME_BOX for other in kept):
            kept.append(box)
    if not kept:
        return NOT_FOUND
    place = clearly_largest([_area(box) for box in kept])
    return NO_CLEAR_INSTANCE if place is None else kept[place]


def _area(box: np.ndarray) -> float:
    return float(max(0, box[2] - box[0]) * max(0, box[3] - box[1]))


def _overlap(one: np.ndarray, other: np.ndarray) -> float:
    both = _area(np.concatenate([np.maximum(one[:2], other[:2]), np.minimum(one[2:], other[2:])]))
    return both / (_area(one) + _area(other) - both)


def _share(threshold: float) -> float:
    if not 0 <= threshold < 1:
        raise ValueError(f"The mask threshold must be at least 0 and below 1, got {threshold}.")
    return threshold
