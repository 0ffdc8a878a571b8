"""Replace an object by a cutout of another category, taken from another photo of the same folder."""

from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ...data.coco_photos import CocoPhoto, Instance, load_photo
from ..masks.coco_masks import draw_mask, turn_mask
from ..masks.regions import bounding_box, contact_share, dilate_mask, ground_point, outline_tolerance
from ..opencv import cv2
from ..propose.categories import CARRIERS, PLACES
from .cutouts import Cutout, composite, cut_out, place_cutout, resize_cutout
from .patch_fill import fill_hole
from .rescale import COVERS, MAX_COVERED, MAX_EDGE_DENSITY, TOUCHED, edge_density
from .task import Edit, EditTask


HANGS = "the thing seems to hang: nothing could stand in its place"
NO_CUTOUT = "no cut-out of fitting shape"
TOO_MUCH_HOLE = "the cut-out leaves too much uncovered for such busy surroundings"

SHAPE_SIDE = 24  # pixels: two outlines are scaled to squares of this side and then compared
MIN_SIMILARITY = 0.2  # intersection over union of two outlines, lowered where their aspect ratios differ
MAX_RATIO = 3.5  # of the two aspect ratios
MAX_STRETCH = 1.12  # largest distortion of a cutout's aspect ratio
MIN_PIXELS = 1200  # area of a source object: smaller ones show too little
MIN_WIDTH = 24  # pixels
EDGE = 0.006  # share of a photo's longer side: the frame probably cuts off objects that come nearer to it
# Height by width above which the object was photographed from above. The objects that it would replace rarely are.
FROM_ABOVE = {"bowl": 0.75, "pizza": 0.75, "donut": 0.75, "sandwich": 0.9, "cake": 1.1}
MIN_GROUND = 0.45  # share of the photo's height: objects that end above it hang on a wall or are far away
MAX_ENLARGED = 1.7  # largest enlargement of a cutout
MAX_CONTACT = 0.35  # share of the old object's outline along which others may begin
MAX_HELD = 0.08  # the same share for people: without the old object, a rider would float and a hand hold nothing
MAX_HIDDEN = 0.1  # share of a source's outline along which people or nearer objects may begin
MIN_SOLIDITY = 0.6  # area divided by that of the convex hull; lower values mean an occluder or a tangle
MIN_WHOLE = 0.97  # share of the area in the largest connected component
WHITE_GOODS = frozenset(("toilet", "sink", "refrigerator", "oven"))  # may come from gray photos
MIN_CONTRAST = 7.0  # standard deviation of L*, 0 to 100: with less, a cutout is only a blot
MIN_CHROMA = 5.0  # Lab chroma that 1 % of a color photo's pixels exceed; even a skier in snow has more
MAX_HOLE = 0.25  # share of the old object's area that may stay uncovered in busy surroundings
SHADOW = 0.35  # how much darker the ground becomes where an object touches it, 0 to 1


class Source(NamedTuple):
    """An object that can be cut out.

    Attributes:
        photo: The photo that shows it.
        instance: The object.
        outline: (`SHAPE_SIDE`, `SHAPE_SIDE`) bool, its mask scaled to a square.
        ratio: Height divided by width.
    """

    photo: CocoPhoto
    instance: Instance
    outline: np.ndarray
    ratio: float


def scaled_outline(mask: np.ndarray) -> np.ndarray:
    """Scale the bounding box of a mask, (H, W) bool, to a square: (`SHAPE_SIDE`, `SHAPE_SIDE`) bool."""
    top, left, bottom, right = bounding_box(mask)
    part = mask[top:bottom, left:right].astype(np.float32)
    return cv2.resize(part, (SHAPE_SIDE, SHAPE_SIDE), interpolation=cv2.INTER_AREA) > 0.5


def _source(photo: CocoPhoto, instance: Instance) -> Source | None:
    """Return the instance as a source, or None if it is small or something probably hides a part of it."""
    x, y, width, height = instance.bbox
    polygons = instance.segmentation
    edge = EDGE * max(photo.size)
    inside = min(x, y, photo.size[0] - x - width, photo.size[1] - y - height) > edge
    if instance.is_crowd or not isinstance(polygons, list) or len(polygons) != 1 or not inside:
        return None
    if instance.area < MIN_PIXELS or min(width, height) < MIN_WIDTH:
        return None
    if instance.category in FROM_ABOVE and height > FROM_ABOVE[instance.category] * width:
        return None
    try:
        points = np.array(polygons[0], float).reshape(-1, 2)
    except (TypeError, ValueError, OverflowError):
        return None  # the builder reports it when it comes to this photo
    scaled = (points - (x, y)) * (4 * SHAPE_SIDE / width, 4 * SHAPE_SIDE / height)
    mask = draw_mask([scaled.ravel().tolist()], (4 * SHAPE_SIDE, 4 * SHAPE_SIDE))
    if isinstance(mask, str):
        return None
    return Source(photo, instance, scaled_outline(mask), height / width)


class CutoutLibrary:
    """All objects of a folder that can be cut out. Photos are opened only when they are needed.

    Args:
        photos: All photos of the folder.

    Attributes:
        sources: The objects by category.
    """

    def __init__(self, photos: Sequence[CocoPhoto]) -> None:
        self._photos = {photo.image_id: photo for photo in photos}
        self.sources: dict[str, list[Source]] = defaultdict(list)
        for photo in photos:
            for instance in photo.instances:
                source = _source(photo, instance)
                if source:
                    self.sources[instance.category].append(source)
        # Only cutouts are cached, and no photos: memory must not grow with the folder.
        self.cut = lru_cache(maxsize=128)(self._cut)
        self._emptied: tuple[tuple[int, int], np.ndarray, np.ndarray | str] | None = None

    def remove_object(self, task: EditTask) -> tuple[np.ndarray, np.ndarray | str]:
        """Remove the task's object from its photo. The last result is cached.

        Returns:
            The hole, (H, W) bool, and the filled photo, (H, W, 3) uint8, or the reason why it cannot be filled.
        """
        instance = (task.proposal.image_id, task.proposal.instance_id)
        if self._emptied is None or self._emptied[0] != instance:
            others = task.others & ~task.mask
            hole = dilate_mask(task.mask, outline_tolerance(task.mask)) & ~others
            filled = fill_hole(task.photo, hole, ~(others | task.mask), np.random.default_rng(task.seed))
            self._emptied = (instance, hole, filled)
        return self._emptied[1:]

    def find(self, category: str, mask: np.ndarray, image_id: int) -> list[tuple[Source, bool]]:
        """Find objects of a category that have a similar shape.

        Args:
            category: COCO's name.
            mask: (H, W) bool, the object to replace.
            image_id: The photo to edit. Its own objects are left out.

        Returns:
            Up to three sources, the best first, and whether each must be mirrored.
        """
        outline = scaled_outline(mask)
        top, left, bottom, right = bounding_box(mask)
        ratio = (bottom - top) / (right - left)
        matches = []
        for source in self.sources[category]:
            stretch = max(source.ratio / ratio, ratio / source.ratio)
            enlarged = np.sqrt(mask.sum() / source.instance.area)
            if source.photo.image_id == image_id or stretch > MAX_RATIO or enlarged > MAX_ENLARGED:
                continue
            for mirrored in (False, True):
                other = source.outline[:, ::-1] if mirrored else source.outline
                similarity = (outline & other).sum() / (outline | other).sum() / stretch**0.3
                if similarity >= MIN_SIMILARITY:
                    matches.append((float(similarity), -source.instance.id, mirrored, source))
        matches.sort(key=lambda match: match[:3], reverse=True)
        return [(source, mirrored) for _, _, mirrored, source in matches[:3]]

    def _cut(self, image_id: int, instance_id: int) -> tuple[Cutout, np.ndarray] | None:
        """Return a cutout and `mean_color` of its photo, or None if the photo or the mask cannot be used."""
        photo = self._photos[image_id]
        loaded = load_photo(photo.file)
        if isinstance(loaded, str):
            return None
        pixels, orientation = loaded
        size = (pixels.shape[1], pixels.shape[0])
        masks = {
            one.id: turn_mask(draw_mask(one.segmentation, photo.size), photo.size, size, orientation)
            for one in photo.instances
        }
        mask = masks.pop(instance_id)
        if isinstance(mask, str):
            return None
        others, bottom = np.zeros_like(mask), bounding_box(mask)[2]
        for one in photo.instances:
            # An object that ends lower in the photo is nearer to the camera and may hide a part.
            nearer = one.category == "person" or one.bbox[1] + one.bbox[3] > bottom + 2
            other = masks.get(one.id)
            if nearer and one.category not in CARRIERS and isinstance(other, np.ndarray):
                others |= other
        if contact_share(mask, others) > MAX_HIDDEN:
            return None
        cutout = cut_out(pixels, mask)
        return (cutout, mean_color(pixels)) if is_recognizable(cutout) else None


def is_recognizable(cutout: Cutout) -> bool:
    """Return whether a cutout is in one piece, compact, and more than a blot of one lightness."""
    solid = (cutout.alpha > 0.5).astype(np.uint8)
    outlines, _ = cv2.findContours(solid, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not outlines or max(map(cv2.contourArea, outlines)) < MIN_WHOLE * sum(map(cv2.contourArea, outlines)):
        return False
    if solid.sum() < MIN_SOLIDITY * cv2.contourArea(cv2.convexHull(np.concatenate(outlines))):
        return False
    lightness = cv2.cvtColor(cutout.pixels, cv2.COLOR_RGB2LAB)[..., 0][solid > 0] / 2.55
    return bool(lightness.std() >= MIN_CONTRAST)


def mean_color(pixels: np.ndarray) -> np.ndarray:
    """Return mean L*, a*, b* of a photo, and the chroma that 1 % of its pixels exceed.

    Args:
        pixels: (H, W, 3) uint8, RGB.

    Returns:
        (4,) float32 in Lab units: L* 0 to 100, chroma 0 and up.
    """
    lab = cv2.cvtColor(pixels[::4, ::4].astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    return np.array([*lab.reshape(-1, 3).mean(0), np.percentile(np.hypot(lab[..., 1], lab[..., 2]), 99)])


def match_light(cutout: Cutout, source: np.ndarray, target: np.ndarray) -> Cutout:
    """Adapt the light of a cutout to another photo. In a gray photo it becomes gray.

    Args:
        cutout: The object.
        source: `mean_color` of the photo that it comes from, (4,).
        target: `mean_color` of the photo that it goes into, (4,). A part of the difference is applied.
    """
    lab = cv2.cvtColor(cutout.pixels.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    lab[..., 0] = np.clip(lab[..., 0] + np.clip(0.35 * (target[0] - source[0]), -14, 14), 0, 100)
    lab[..., 1:] += np.clip(0.4 * (target[1:3] - source[1:3]), -8, 8)
    if target[3] < MIN_CHROMA:
        lab[..., 1:] = target[1:3]
    rgb = cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)
    return Cutout((rgb * 255).round().clip(0, 255).astype(np.uint8), cutout.alpha)


def _fit(cutout: Cutout, mask: np.ndarray, size: float) -> Cutout:
    """Scale a cutout to `size` times the mask's side, but not beyond the frame or `MAX_STRETCH`."""
    top, left, bottom, right = bounding_box(mask)
    box = bounding_box(cutout.alpha > 0.5)
    scale_y, scale_x = (bottom - top) / (box[2] - box[0]), (right - left) / (box[3] - box[1])
    stretch = np.clip(scale_y / scale_x, 1 / MAX_STRETCH, MAX_STRETCH)
    scale = size * np.sqrt(mask.sum() / (cutout.alpha > 0.5).sum())
    max_scale = min(mask.shape[0] / (box[2] - box[0]), mask.shape[1] / (box[3] - box[1])) * 0.9
    scale = min(scale, max_scale)
    return resize_cutout(cutout, scale * np.sqrt(stretch), scale / np.sqrt(stretch))


def _position(cutout: Cutout, mask: np.ndarray, in_air: bool) -> tuple[float, float]:
    """Return the ground point of the cutout: below the old object's middle, or centered on it in the air."""
    top, left, bottom, right = bounding_box(mask)
    box = bounding_box(cutout.alpha > 0.5)
    height, width = box[2] - box[0], box[3] - box[1]
    row = (top + bottom + height) / 2 if in_air else bottom + 1
    row = np.clip(row, height + 2, mask.shape[0] - 2)
    column = np.clip((left + right) / 2, width / 2 + 2, mask.shape[1] - width / 2 - 2)
    return float(row), float(column + ground_point(cutout.alpha > 0.5)[1] - (box[1] + box[3]) / 2)


def _shade_ground(ground: np.ndarray, alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Darken the ground around the lowest part of an object; return the ground and where it changed."""
    top, _, bottom, _ = bounding_box(alpha > 0.5)
    height = max(4, (bottom - top) // 10)
    low = alpha.copy()
    low[: bottom - height] = 0
    shadow = cv2.GaussianBlur(low, (0, 0), max(1.0, height / 2))
    shadow = np.where(shadow < 0.03, 0, shadow)
    return (ground * (1 - SHADOW * shadow[..., None])).round().astype(np.uint8), shadow > 0


def _relative_size(task: EditTask) -> tuple[float, bool]:
    """Return the drawn size of the new object relative to the old one, and whether both belong in the air."""
    (old_places, old_size), (new_places, new_size) = (
        PLACES[name] for name in (task.proposal.category, task.proposal.new_category)
    )
    # The square root goes half of the way to the true size: viewers accept that, and tiny objects are hard to see.
    return float(np.clip((new_size / old_size) ** 0.5, 0.7, 1.25)), "a" in old_places and "a" in new_places


def replace_object(task: EditTask, library: CutoutLibrary) -> Edit | str:
    """Replace the object by the best fitting cutout of the new category, and fill what stays uncovered.

    Args:
        task: The photo and what the object becomes.
        library: All objects of the folder.

    Returns:
        The edit, or the reason why there is none.
    """
    mask, others = task.mask, task.others & ~task.mask
    if contact_share(mask, others) > MAX_CONTACT or contact_share(mask, task.people) > MAX_HELD:
        return TOUCHED
    if not {task.proposal.category, task.proposal.new_category} <= PLACES.keys():
        return NO_CUTOUT  # a reviewer asked for a category that is never cut out
    size, in_air = _relative_size(task)
    if not in_air and bounding_box(mask)[2] < MIN_GROUND * len(mask):
        return HANGS
    is_busy = edge_density(task.photo, mask) > MAX_EDGE_DENSITY
    light = mean_color(task.photo)
    reason = NO_CUTOUT
    for source, mirrored in library.find(task.proposal.new_category, mask, task.proposal.image_id):
        cut = library.cut(source.photo.image_id, source.instance.id)
        if cut is None:
            continue
        if cut[1][3] < MIN_CHROMA <= light[3] and source.instance.category not in WHITE_GOODS:
            continue  # a gray object would stick out of a color photo
        cutout = match_light(*cut, light)
        if mirrored:
            cutout = Cutout(cutout.pixels[:, ::-1], cutout.alpha[:, ::-1])
        cutout = _fit(cutout, mask, size)
        pixels, alpha = place_cutout(cutout, _position(cutout, mask, in_air), mask.shape)
        if (others & (alpha > 0.5)).sum() > MAX_COVERED * (alpha > 0.5).sum():
            reason = COVERS
            continue
        if is_busy and (mask & (alpha < 0.5)).sum() > MAX_HOLE * mask.sum():
            reason = TOO_MUCH_HOLE
            continue
        hole, emptied = library.remove_object(task)
        if isinstance(emptied, str):
            return emptied
        ground, shaded = (emptied, hole) if in_air else _shade_ground(emptied, alpha)
        details = {
            "source_image_id": source.photo.image_id,
            "source_instance_id": source.instance.id,
            "source": dict(source.photo.source),  # owner and license of the photo that shows the cutout
            "mirrored": mirrored,
        }
        return Edit(composite(ground, pixels, alpha), hole | shaded | (alpha > 0), details)
    return reason
