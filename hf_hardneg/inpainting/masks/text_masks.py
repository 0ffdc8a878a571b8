"""Find masks from a noun alone, by CLIPSeg or by Grounding DINO (the box) with SAM (the mask in it)."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from ...data.coco_photos import CocoPhoto, Instance
from ..opencv import cv2
from ..pretrained import explain_out_of_memory, load_transformer
from ..propose.grounding import clearly_largest
from ..propose.proposals import NO_CLEAR_INSTANCE
from ..run_settings import CLIPSEG, GROUNDING_DINO, SAM
from .regions import dilate_mask, outline_tolerance


NOT_FOUND = "the mask model does not find the thing"
CLIPSEG_THRESHOLD = 0.4  # our choice, not yet tested on photos
BOX_THRESHOLD = 0.35  # from the demo of Grounding DINO
SAME_BOX = 0.5  # intersection over union from which two boxes count as one object


class ClipSegMasks:
    """Find masks with CLIPSeg. Pass an instance to `build_pairs` as `draw`.

    CLIPSeg's masks are coarse. Only the clearly largest component is used, dilated by a few pixels.

    Args:
        name_or_path: Hub id or folder of a CLIPSeg model.
        threshold: Smallest probability of a pixel inside the mask, at least 0 and below 1.

    Raises:
        ValueError: If the model cannot be loaded or is of another kind.

    Reference:
        Lüddecke and Ecker 2022, https://huggingface.co/papers/2112.10003

    Example:
        >>> draw = ClipSegMasks(threshold=0.4)  # doctest: +SKIP
        >>> draw.probabilities(pixels, "red bus").shape  # doctest: +SKIP
        (480, 640)
    """

    def __init__(self, name_or_path: str = CLIPSEG, *, threshold: float = CLIPSEG_THRESHOLD) -> None:
        from transformers import CLIPSegForImageSegmentation

        self.name_or_path, self.threshold = name_or_path, _check_threshold(threshold)
        self.model, self.processor = load_transformer(
            CLIPSegForImageSegmentation, name_or_path, ("clipseg",), "a CLIPSeg model", CLIPSEG
        )

    def __call__(self, photo: CocoPhoto, pixels: np.ndarray, orientation: int, instance: Instance) -> np.ndarray | str:
        """Return the mask of the instance's category.

        Args:
            photo: Not used.
            pixels: (H, W, 3) uint8, RGB, upright.
            orientation: Not used.
            instance: Names the category.

        Returns:
            (H, W) bool, or the reason why there is none.
        """
        region = largest_region(self.probabilities(pixels, instance.category) > self.threshold)
        return region if isinstance(region, str) else dilate_mask(region, outline_tolerance(region))

    @torch.inference_mode()
    def probabilities(self, pixels: np.ndarray, noun: str) -> np.ndarray:
        """Return the probability that each pixel belongs to a noun.

        Args:
            pixels: (H, W, 3) uint8, RGB.
            noun: What to look for.

        Returns:
            (H, W) float32, 0 to 1.
        """
        inputs = self.processor(
            images=[pixels],
            text=[f"a photo of a {noun}"],  # the prompt of the CLIP paper
            padding=True,
            truncation=True,
            return_tensors="pt",
        ).to(self.model.device)
        with explain_out_of_memory(self.name_or_path):
            logits = self.model(**inputs).logits
        logits = logits.reshape(1, 1, *logits.shape[-2:]).float()
        return F.interpolate(logits, pixels.shape[:2], mode="bilinear").sigmoid()[0, 0].cpu().numpy()


class GroundedSamMasks:
    """Find boxes with Grounding DINO and masks inside them with SAM. Pass an instance to `build_pairs` as `draw`.

    Args:
        detector: Hub id or folder of a Grounding DINO model.
        segmenter: Hub id or folder of a SAM model.
        threshold: Smallest score of a box, at least 0 and below 1.

    Raises:
        ValueError: If a model cannot be loaded or is of another kind.

    Reference:
        Liu et al. 2023, https://huggingface.co/papers/2303.05499, and Kirillov et al. 2023,
        https://huggingface.co/papers/2304.02643

    Example:
        >>> draw = GroundedSamMasks(threshold=0.35)  # doctest: +SKIP
        >>> boxes, scores = draw.find_boxes(pixels, "bus")  # doctest: +SKIP
    """

    def __init__(
        self, detector: str = GROUNDING_DINO, segmenter: str = SAM, *, threshold: float = BOX_THRESHOLD
    ) -> None:
        from transformers import AutoModelForZeroShotObjectDetection, SamModel

        self.names, self.threshold = (detector, segmenter), _check_threshold(threshold)
        kinds = ("grounding-dino", "mm-grounding-dino")
        self.detector, self.detector_processor = load_transformer(
            AutoModelForZeroShotObjectDetection, detector, kinds, "a Grounding DINO model", GROUNDING_DINO
        )
        self.segmenter, self.segmenter_processor = load_transformer(SamModel, segmenter, ("sam",), "a SAM model", SAM)
        self._embedded: tuple[np.ndarray, Any] | None = None

    def __call__(self, photo: CocoPhoto, pixels: np.ndarray, orientation: int, instance: Instance) -> np.ndarray | str:
        """Return the mask of the instance's category.

        Args:
            photo: Not used.
            pixels: (H, W, 3) uint8, RGB, upright.
            orientation: Not used.
            instance: Names the category.

        Returns:
            (H, W) bool, or the reason why there is none.
        """
        box = pick_box(*self.find_boxes(pixels, instance.category))
        return box if isinstance(box, str) else self.draw(pixels, box)

    @torch.inference_mode()
    def find_boxes(self, pixels: np.ndarray, noun: str) -> tuple[np.ndarray, np.ndarray]:
        """Find the boxes of a noun that score above the threshold.

        Args:
            pixels: (H, W, 3) uint8, RGB.
            noun: What to look for.

        Returns:
            Boxes (N, 4) as left, top, right, bottom in pixels, and their scores (N,), 0 to 1.
        """
        process = self.detector_processor
        # The detector was trained on lowercase nouns with a period after each.
        inputs = process(images=pixels, text=f"{noun.lower()}.", return_tensors="pt").to(self.detector.device)
        with explain_out_of_memory(self.names[0]):
            outputs = self.detector(**inputs)
        (detections,) = process.post_process_grounded_object_detection(
            outputs, inputs["input_ids"], threshold=self.threshold, target_sizes=[pixels.shape[:2]]
        )
        boxes = detections["boxes"].cpu().numpy().reshape(-1, 4)
        frame = np.array(pixels.shape[1::-1] * 2)
        return boxes.clip(0, frame), detections["scores"].cpu().numpy()

    @torch.inference_mode()
    def draw(self, pixels: np.ndarray, box: np.ndarray) -> np.ndarray | str:
        """Return SAM's mask of the object in a box.

        Args:
            pixels: (H, W, 3) uint8, RGB.
            box: (4,) of left, top, right, bottom in pixels.

        Returns:
            (H, W) bool, or the reason why there is none.
        """
        process, device = self.segmenter_processor, self.segmenter.device
        inputs = process(pixels, input_boxes=[[box.tolist()]], return_tensors="pt")
        with explain_out_of_memory(self.names[1]):
            # The image encoder takes nearly all of the time. The builder passes one array for all objects of a photo.
            if self._embedded is None or self._embedded[0] is not pixels:
                embeddings = self.segmenter.get_image_embeddings(inputs["pixel_values"].to(device))
                self._embedded = (pixels, embeddings)
            outputs = self.segmenter(
                image_embeddings=self._embedded[1],
                input_boxes=inputs["input_boxes"].float().to(device),
                multimask_output=False,  # a box is not ambiguous
            )
        (masks,) = process.image_processor.post_process_masks(
            outputs.pred_masks.float().cpu(), inputs["original_sizes"], inputs["reshaped_input_sizes"]
        )
        mask = masks[0, 0].numpy()
        return mask if mask.any() else NOT_FOUND


def largest_region(region: np.ndarray) -> np.ndarray | str:
    """Return the only connected component of a mask, or the clearly largest one.

    Args:
        region: (H, W) bool.

    Returns:
        (H, W) bool, or the reason why no component is clearly the largest.
    """
    _, labels, stats, _ = cv2.connectedComponentsWithStats(region.astype(np.uint8))
    if len(stats) < 2:
        return NOT_FOUND
    largest = clearly_largest(stats[1:, cv2.CC_STAT_AREA].tolist())
    return NO_CLEAR_INSTANCE if largest is None else labels == largest + 1


def pick_box(boxes: np.ndarray, scores: np.ndarray) -> np.ndarray | str:
    """Return the box of the only object, or of the clearly largest one.

    Args:
        boxes: (N, 4) of left, top, right, bottom in pixels. Of boxes that overlap, the best score is kept.
        scores: (N,).

    Returns:
        (4,), or the reason why no box can be chosen.

    Example:
        >>> pick_box(np.array([[0, 0, 10, 10], [0, 0, 10, 9], [20, 0, 23, 3]]), np.array([0.5, 0.6, 0.4]))
        array([ 0,  0, 10,  9])
    """
    kept: list[np.ndarray] = []
    for box in boxes[np.argsort(-scores, kind="stable")]:
        if _area(box) > 0 and all(_overlap(box, other) < SAME_BOX for other in kept):
            kept.append(box)
    if not kept:
        return NOT_FOUND
    largest = clearly_largest([_area(box) for box in kept])
    return NO_CLEAR_INSTANCE if largest is None else kept[largest]


def _area(box: np.ndarray) -> float:
    return float(max(0, box[2] - box[0]) * max(0, box[3] - box[1]))


def _overlap(one: np.ndarray, other: np.ndarray) -> float:
    both = _area(np.concatenate([np.maximum(one[:2], other[:2]), np.minimum(one[2:], other[2:])]))
    return both / (_area(one) + _area(other) - both)


def _check_threshold(threshold: float) -> float:
    if not 0 <= threshold < 1:
        raise ValueError(f"The mask threshold must be at least 0 and below 1, got {threshold}.")
    return threshold
