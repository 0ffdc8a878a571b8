"""Put another category's cut-out, from another photo of the same folder, in a thing's place."""

from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ...data.coco_photos import CocoPhoto, Instance, load_photo
from ..masks.coco_masks import draw_mask, turn_mask
from ..masks.outlines import contact_share, dilate, edge_density, outline_error
from ..opencv import cv2
from ..propose.categories import CARRIERS, PLACES
from .cutouts import Cutout, box_of, cover, cut_out, foot_of, lay, resize_cutout
from .patch_fill import fill_hole
from .rescale import COVERS, MAX_COVERED, MAX_EDGES, TOUCHED
from .task import Edit, EditTask


HANGS = "the thing seems to hang: nothing could stand in its place"
NO_CUTOUT = "no cut-out of fitting shape"
TOO_MUCH_HOLE = "the cut-out leaves too much uncovered for such busy surroundings"

SHAPE_SIDE = 24  # pixels a side to which outlines are scaled to be compared
MIN_LIKENESS = 0.2  # intersection over union of two outlines
MAX_RATIO = 3.5  # of their heights by their widths
MAX_STRETCH = 1.12  # by which a cut-out may be distorted
MIN_PIXELS = 1200  # of a cut-out, so that it has something to show
MIN_WIDTH = 24
EDGE = 0.006  # of a photo's longer side: what comes nearer to the frame is probably cut off by it
# Height by width above which a thing was seen from above, as few of those are whose place it would take.
FROM_ABOVE = {"bowl": 0.75, "pizza": 0.75, "donut": 0.75, "sandwich": 0.9, "cake": 1.1}
MIN_FOOT = 0.45  # of the photo's height: what ends above this hangs on a wall or is far away
MAX_ENLARGED = 1.7
MAX_CONTACT = 0.35  # of the old thing's outline at which others begin
MAX_HELD = 0.08  # the same for people: a rider would be left in the air, a hand around nothing
MAX_HIDDEN = 0.1  # of a cut-out's outline at which people, or things that are nearer, begin
MIN_SOLIDITY = 0.6  # area by that of the convex hull: below it something lay in front, or it is a tangle
MIN_WHOLE = 0.97  # share of the largest connected part
WHITE_GOODS = frozenset(("toilet", "sink", "refrigerator", "oven"))  # may come from gray photos
MIN_CONTRAST = 7.0  # standard deviation of lightness, 0 to 100: below it a cut-out is a blot
MIN_CHROMA = 5.0  # of the most colorful hundredth of a photo: below it the photo is gray; snow with a skier is not
MAX_HOLE = 0.25  # of the old thing's area that the new one may leave to be filled where the surroundings are busy
SHADOW = 0.35  # how much darker the ground is where a thing touches it


class Source(NamedTuple):
    """A thing that can be cut out: its photo, itself, its outline (side x side of bool), and height / width."""

    photo: CocoPhoto
    instance: Instance
    outline: np.ndarray
    ratio: float


def outline_of(mask: np.ndarray) -> np.ndarray:
    """A mask's box, scaled to `SHAPE_SIDE` a side."""
    top, left, bottom, right = box_of(mask)
    part = mask[top:bottom, left:right].astype(np.float32)
    return cv2.resize(part, (SHAPE_SIDE, SHAPE_SIDE), interpolation=cv2.INTER_AREA) > 0.5


def _source(photo: CocoPhoto, instance: Instance) -> Source | None:
    """The instance as a source, if nothing hides part of it: one polygon, off the frame's edge, large enough."""
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
    except (TypeError, ValueError):
        return None  # the photo's own turn counts it
    scaled = (points - (x, y)) * (4 * SHAPE_SIDE / width, 4 * SHAPE_SIDE / height)
    mask = draw_mask([scaled.ravel().tolist()], (4 * SHAPE_SIDE, 4 * SHAPE_SIDE))
    if isinstance(mask, str):
        return None
    return Source(photo, instance, outline_of(mask), height / width)


class CutoutLibrary:
    """All things of a folder that can be cut out, by category; their photos are opened when they are needed."""

    def __init__(self, photos: Sequence[CocoPhoto]) -> None:
        self._photos = {photo.image_id: photo for photo in photos}
        self.sources: dict[str, list[Source]] = defaultdict(list)
        for photo in photos:
            for instance in photo.instances:
                source = _source(photo, instance)
                if source:
                    self.sources[instance.category].append(source)
        # Cut-outs are small; photos are not kept, so that memory does not grow with the folder.
        self.cut = lru_cache(maxsize=128)(self._cut)
        self._emptied: tuple[tuple[int, int], np.ndarray, np.ndarray | str] | None = None

    def empty(self, task: EditTask) -> tuple[np.ndarray, np.ndarray | str]:
        """The hole that a thing leaves and the photo without it; kept until the next thing is asked for."""
        thing = (task.proposal.image_id, task.proposal.instance_id)
        if self._emptied is None or self._emptied[0] != thing:
            others = task.others & ~task.mask
            hole = dilate(task.mask, outline_error(task.mask)) & ~others
            filled = fill_hole(task.photo, hole, ~(others | task.mask), np.random.default_rng(task.seed))
            self._emptied = (thing, hole, filled)
        return self._emptied[1:]

    def find(self, category: str, mask: np.ndarray, image_id: int) -> list[tuple[Source, bool]]:
        """Up to three things of `category` shaped like `mask`, best first, and whether each is to be mirrored."""
        outline = outline_of(mask)
        top, left, bottom, right = box_of(mask)
        ratio = (bottom - top) / (right - left)
        found = []
        for source in self.sources[category]:
            stretch = max(source.ratio / ratio, ratio / source.ratio)
            enlarged = np.sqrt(mask.sum() / source.instance.area)
            if source.photo.image_id == image_id or stretch > MAX_RATIO or enlarged > MAX_ENLARGED:
                continue
            for mirrored in (False, True):
                other = source.outline[:, ::-1] if mirrored else source.outline
                likeness = (outline & other).sum() / (outline | other).sum() / stretch**0.3
                if likeness >= MIN_LIKENESS:
                    found.append((float(likeness), -source.instance.id, mirrored, source))
        found.sort(key=lambda one: one[:3], reverse=True)
        return [(source, mirrored) for _, _, mirrored, source in found[:3]]

    def _cut(self, image_id: int, instance_id: int) -> tuple[Cutout, np.ndarray] | None:
        """A cut-out and the mean color of its photo in L*a*b*; None if the photo or the mask cannot be used."""
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
        others, bottom = np.zeros_like(mask), box_of(mask)[2]
        for one in photo.instances:
            # What ends lower in the photo stands nearer and may hide a part.
            nearer = one.category == "person" or one.bbox[1] + one.bbox[3] > bottom + 2
            other = masks.get(one.id)
            if nearer and one.category not in CARRIERS and isinstance(other, np.ndarray):
                others |= other
        if contact_share(mask, others) > MAX_HIDDEN:
            return None
        thing = cut_out(pixels, mask)
        return (thing, mean_color(pixels)) if shows_something(thing) else None


def shows_something(thing: Cutout) -> bool:
    """Whether a cut-out is in one piece and more than a dark or flat blot."""
    solid = (thing.alpha > 0.5).astype(np.uint8)
    outlines, _ = cv2.findContours(solid, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not outlines or max(map(cv2.contourArea, outlines)) < MIN_WHOLE * sum(map(cv2.contourArea, outlines)):
        return False
    if solid.sum() < MIN_SOLIDITY * cv2.contourArea(cv2.convexHull(np.concatenate(outlines))):
        return False
    lightness = cv2.cvtColor(thing.pixels, cv2.COLOR_RGB2LAB)[..., 0][solid > 0] / 2.55
    return bool(lightness.std() >= MIN_CONTRAST)


def mean_color(pixels: np.ndarray) -> np.ndarray:
    """Mean L*, a*, b* of a photo, and the chroma that one pixel in a hundred exceeds: (4,)."""
    lab = cv2.cvtColor(pixels[::4, ::4].astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    return np.array([*lab.reshape(-1, 3).mean(0), np.percentile(np.hypot(lab[..., 1], lab[..., 2]), 99)])


def match_light(thing: Cutout, source: np.ndarray, target: np.ndarray) -> Cutout:
    """Move a cut-out a part of the way from its photo's light to the other's; gray photos get gray things."""
    lab = cv2.cvtColor(thing.pixels.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    lab[..., 0] = np.clip(lab[..., 0] + np.clip(0.35 * (target[0] - source[0]), -14, 14), 0, 100)
    lab[..., 1:] += np.clip(0.4 * (target[1:3] - source[1:3]), -8, 8)
    if target[3] < MIN_CHROMA:
        lab[..., 1:] = target[1:3]
    rgb = cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)
    return Cutout((rgb * 255).round().clip(0, 255).astype(np.uint8), thing.alpha)


def _fit(thing: Cutout, mask: np.ndarray, size: float) -> Cutout:
    """Scale a cut-out to `size` times the mask's, stretched no more than `MAX_STRETCH`, and into the frame."""
    top, left, bottom, right = box_of(mask)
    box = box_of(thing.alpha > 0.5)
    down, across = (bottom - top) / (box[2] - box[0]), (right - left) / (box[3] - box[1])
    stretch = np.clip(down / across, 1 / MAX_STRETCH, MAX_STRETCH)
    scale = size * np.sqrt(mask.sum() / (thing.alpha > 0.5).sum())
    room = min(mask.shape[0] / (box[2] - box[0]), mask.shape[1] / (box[3] - box[1])) * 0.9
    scale = min(scale, room)
    return resize_cutout(thing, scale * np.sqrt(stretch), scale / np.sqrt(stretch))


def _foot(thing: Cutout, mask: np.ndarray, in_air: bool) -> tuple[float, float]:
    """Where the cut-out stands: on the old thing's foot, middle under middle; in the air, center on center."""
    top, left, bottom, right = box_of(mask)
    box = box_of(thing.alpha > 0.5)
    height, width = box[2] - box[0], box[3] - box[1]
    row = (top + bottom + height) / 2 if in_air else bottom + 1
    row = np.clip(row, height + 2, mask.shape[0] - 2)
    column = np.clip((left + right) / 2, width / 2 + 2, mask.shape[1] - width / 2 - 2)
    return float(row), float(column + foot_of(thing.alpha > 0.5)[1] - (box[1] + box[3]) / 2)


def _shade_ground(ground: np.ndarray, alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Darken the ground around the lowest part of a thing; the ground, and where it changed."""
    top, _, bottom, _ = box_of(alpha > 0.5)
    height = max(4, (bottom - top) // 10)
    low = alpha.copy()
    low[: bottom - height] = 0
    shadow = cv2.GaussianBlur(low, (0, 0), max(1.0, height / 2))
    shadow = np.where(shadow < 0.03, 0, shadow)
    return (ground * (1 - SHADOW * shadow[..., None])).round().astype(np.uint8), shadow > 0


def _places(task: EditTask) -> tuple[float, bool]:
    """How large the new thing is drawn, in old things, and whether both are met in the air."""
    (old_places, old_size), (new_places, new_size) = (
        PLACES[name] for name in (task.proposal.category, task.proposal.new_category)
    )
    # Half of the way to the true size: the eye forgives the rest, and what is small is hard to see.
    return float(np.clip((new_size / old_size) ** 0.5, 0.7, 1.25)), "a" in old_places and "a" in new_places


def replace_thing(task: EditTask, library: CutoutLibrary) -> Edit | str:
    """Replace the thing by the best fitting cut-out of the new category; what it leaves uncovered is filled."""
    mask, others = task.mask, task.others & ~task.mask
    if contact_share(mask, others) > MAX_CONTACT or contact_share(mask, task.people) > MAX_HELD:
        return TOUCHED
    if not {task.proposal.category, task.proposal.new_category} <= PLACES.keys():
        return NO_CUTOUT  # a person asked for what is never cut out
    size, in_air = _places(task)
    if not in_air and box_of(mask)[2] < MIN_FOOT * len(mask):
        return HANGS
    is_busy = edge_density(task.photo, mask) > MAX_EDGES
    light = mean_color(task.photo)
    reason = NO_CUTOUT
    for source, mirrored in library.find(task.proposal.new_category, mask, task.proposal.image_id):
        found = library.cut(source.photo.image_id, source.instance.id)
        if found is None:
            continue
        if found[1][3] < MIN_CHROMA <= light[3] and source.instance.category not in WHITE_GOODS:
            continue  # a gray thing in a photo in color
        thing = match_light(*found, light)
        if mirrored:
            thing = Cutout(thing.pixels[:, ::-1], thing.alpha[:, ::-1])
        thing = _fit(thing, mask, size)
        pixels, alpha = lay(thing, _foot(thing, mask, in_air), mask.shape)
        if (others & (alpha > 0.5)).sum() > MAX_COVERED * (alpha > 0.5).sum():
            reason = COVERS
            continue
        if is_busy and (mask & (alpha < 0.5)).sum() > MAX_HOLE * mask.sum():
            reason = TOO_MUCH_HOLE
            continue
        hole, emptied = library.empty(task)
        if isinstance(emptied, str):
            return emptied
        ground, shaded = (emptied, hole) if in_air else _shade_ground(emptied, alpha)
        details = {
            "source_image_id": source.photo.image_id,
            "source_instance_id": source.instance.id,
            "source": dict(source.photo.source),  # whose photo the cut-out is from, under which license
            "mirrored": mirrored,
        }
        return Edit(cover(ground, pixels, alpha), hole | shaded | (alpha > 0), details)
    return reason
