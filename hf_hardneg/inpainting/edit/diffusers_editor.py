"""An editor with any inpainting pipeline of diffusers; needs its weights, and an accelerator to be quick."""

import inspect
from typing import Any

import numpy as np
import torch
from PIL import Image

from ..masks.outlines import dilate, outline_error
from ..pretrained import INPAINTING, commit_of, load_pretrained, memory_told, pick_device
from .classical import GRAY_PHOTO, find_old_color
from .crop import Crop, crop_around, put_back, take_crop
from .cutouts import cover
from .prompts import Prompts, free_prompt, ground_prompts, thing_prompts
from .replace import MIN_CHROMA, mean_color
from .rescale import place_rescaled, rescale
from .task import Edit, EditTask


try:
    from diffusers import AutoPipelineForInpainting
except ImportError as error:
    raise ImportError("The diffusers editor needs diffusers: pip install 'hf-hardneg[diffusers]'") from error

UNSAFE = "the pipeline's safety checker blacked the picture out"
BLACK = "the picture came out black"
GROWTH = 2  # times the miss of a hand-drawn outline by which a new thing may be larger than the old
KIND = "an inpainting pipeline of diffusers"
SEEDS = 2**32


class DiffusersEditor:
    """Edit photos by an inpainting pipeline: call it with an `EditTask`.

    The pipeline sees a square around the thing, with context, at its own size; of its result only that square goes
    back. An object may be painted a little over its outline, a color is painted within it (a garment where the person
    has the old color). A size is not left to the pipeline, which knows neither how large the thing was nor how it
    looked: it is rescaled about its foot point as by the classical editor, and the pipeline paints what a smaller
    thing uncovers, in busy surroundings too.

    Args:
        name_or_path: Hub id or folder of a pipeline that `AutoPipelineForInpainting` loads; default Stable Diffusion 2
            for inpainting, as in the paper.
        candidates: How many each task gets; three in the paper.
        steps: Denoising steps; default the pipeline's own (50 for Stable Diffusion 2).
        guidance: How closely the prompt is followed; default the pipeline's own (7.5 there).
        strength: Above 0, at most 1: how much noise is put on what is there; default the pipeline's own (1 there,
            0.6 for Flux, which keeps much of the old thing).

    Raises:
        ValueError: If an argument is out of its range, the pipeline cannot be loaded, or it needs or lacks an input.
    """

    def __init__(
        self,
        name_or_path: str = INPAINTING,
        *,
        candidates: int = 3,
        steps: int | None = None,
        guidance: float | None = None,
        strength: float | None = None,
    ) -> None:
        if candidates < 1:
            raise ValueError(f"candidates must be 1 or more, got {candidates}.")
        if steps is not None and steps < 1:
            raise ValueError(f"steps must be 1 or more, got {steps}.")
        if strength is not None and not 0 < strength <= 1:
            raise ValueError(f"strength must be above 0 and at most 1, got {strength}.")
        self.name_or_path, self.candidates = name_or_path, candidates
        self.pipe = _load_pipeline(name_or_path)
        given = {"num_inference_steps": steps, "guidance_scale": guidance, "strength": strength}
        self.settings = _settings(self.pipe, name_or_path, given)
        self.size = native_size(self.pipe)
        self.about = {"model": name_or_path, "revision": commit_of(name_or_path, "model_index.json")}

    def __call__(self, task: EditTask) -> list[Edit] | str:
        """Candidates, or why there is none; a free prompt is taken as it is (for a size: of what is behind)."""
        if task.proposal.concept == "size":
            return self._rescale(task)
        region = find_region(task)
        if isinstance(region, str):
            return region
        return self._paint(task, region, thing_prompts(task.proposal, free_prompt(task)))

    def _rescale(self, task: EditTask) -> list[Edit] | str:
        placed = place_rescaled(task)
        if isinstance(placed, str):
            return placed
        if placed.factor > 1:  # it covers where it was but for a rim, which patches fill
            edit = rescale(task)
            return edit if isinstance(edit, str) else [edit]
        grounds = self._paint(task, placed.hole, ground_prompts(task.proposal, free_prompt(task)))
        if isinstance(grounds, str):
            return grounds
        changed, factor = placed.hole | (placed.alpha > 0), {"factor": round(placed.factor, 3)}
        return [
            Edit(cover(ground.pixels, placed.pixels, placed.alpha), changed, {**ground.details, **factor})
            for ground in grounds
        ]

    def _paint(self, task: EditTask, region: np.ndarray, prompts: Prompts) -> list[Edit] | str:
        """Paint `region`, (H, W) of bool with at least one True, once per candidate; the last reason if all fail."""
        crop = crop_around(region)
        images = {"image": take_crop(task.photo, crop), "mask_image": take_crop(region, crop).astype(np.uint8) * 255}
        scaled = {name: _resize(pixels, self.size) for name, pixels in images.items()}
        texts = {"prompt": prompts.prompt, "negative_prompt": prompts.negative}
        texts = {name: text for name, text in texts.items() if name in _inputs(self.pipe)}
        edits: list[Edit] = []
        dropped: list[str] = []
        for i in range(self.candidates):
            seed = (task.seed + i) % SEEDS
            square = self._run({**scaled, **texts}, seed)
            if isinstance(square, str):
                dropped.append(square)
                continue
            pixels = put_back(task.photo, np.array(_resize(square, crop.side)), crop)
            edits.append(Edit(pixels, region, self._details(texts, seed, crop)))
        if not edits:
            return dropped[-1]
        return [edit._replace(details={**edit.details, "dropped": dropped}) if dropped else edit for edit in edits]

    def _run(self, inputs: dict[str, Any], seed: int) -> np.ndarray | str:
        """One picture, (size, size, 3), or why it is none."""
        # A generator on the CPU gives the same noise on every device.
        generator = torch.Generator("cpu").manual_seed(seed)
        sizes = {name: self.size for name in ("height", "width") if name in _inputs(self.pipe)}
        with memory_told(self.name_or_path):
            output = self.pipe(**inputs, **sizes, **self.settings, generator=generator)
        flags = output.get("nsfw_content_detected")
        if flags and flags[0]:
            return UNSAFE
        pixels = np.array(output.images[0].convert("RGB"))
        return pixels if pixels.any() else BLACK  # NaN, as where float16 overflows, becomes 0

    def _details(self, texts: dict[str, str], seed: int, crop: Crop) -> dict[str, Any]:
        place = {"size": self.size, "crop": list(crop), "dtype": str(self.pipe.dtype).removeprefix("torch.")}
        return {**self.about, **texts, "seed": seed, **self.settings, **place}


def find_region(task: EditTask) -> np.ndarray | str:
    """Where the pipeline may paint, (H, W) of bool, or why nowhere: never over another annotated thing."""
    proposal, others = task.proposal, task.others & ~task.mask
    if proposal.concept == "object":
        return dilate(task.mask, GROWTH * outline_error(task.mask)) & ~others
    if mean_color(task.photo)[3] < MIN_CHROMA:
        return GRAY_PHOTO
    if proposal.garment is None and not proposal.is_part:
        return task.mask
    weights = find_old_color(task)
    return weights if isinstance(weights, str) else weights > 0.5


def native_size(pipe: Any) -> int:
    """The side in pixels of the squares that a pipeline was made for.

    Raises:
        ValueError: If its config does not tell.
    """
    height = _inputs(pipe).get("height")
    if height is not None and isinstance(height.default, int):  # Kandinsky
        return int(height.default)
    unet = pipe.components.get("unet")
    # Flux, Stable Diffusion 3 and the like have a transformer instead of a UNet.
    size = unet.config.sample_size if unet is not None else getattr(pipe, "default_sample_size", None)
    factor = getattr(pipe, "vae_scale_factor", None)
    if size is None or factor is None:
        raise ValueError(
            f"{type(pipe).__name__} does not say for which size it was made; take another pipeline, such as "
            f"{INPAINTING}."
        )
    return int(size * factor)


def _inputs(pipe: Any) -> Any:
    return inspect.signature(type(pipe).__call__).parameters


def _load_pipeline(name_or_path: str) -> Any:
    device = pick_device()
    half = torch.bfloat16 if device.type == "cuda" and torch.cuda.is_bf16_supported() else torch.float16
    dtype = half if device.type == "cuda" else torch.float32
    pipe = load_pretrained(
        name_or_path,
        KIND,
        INPAINTING,
        lambda: AutoPipelineForInpainting.from_pretrained(name_or_path, dtype=dtype).to(device),
    )
    needed = [
        name
        for name, one in _inputs(pipe).items()
        if one.default is one.empty and one.kind is not one.VAR_KEYWORD and name != "self"
    ]
    foreign = {*needed, *({"control_image"} & set(_inputs(pipe)))} - {"prompt", "image", "mask_image"}
    if foreign:
        raise ValueError(
            f"{name_or_path} is a {type(pipe).__name__}, which also needs {', '.join(sorted(foreign))}; take one that "
            f"needs a prompt, an image and a mask, such as {INPAINTING}."
        )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def _settings(pipe: Any, name_or_path: str, given: dict[str, Any]) -> dict[str, Any]:
    """What is given, and else the pipeline's own defaults, so that the details say them."""
    inputs = _inputs(pipe)
    unknown = [name for name, value in given.items() if value is not None and name not in inputs]
    if unknown:
        raise ValueError(
            f"{name_or_path} is a {type(pipe).__name__}, which has no {', '.join(unknown)}; leave it out."
        )
    return {name: inputs[name].default if value is None else value for name, value in given.items() if name in inputs}


def _resize(pixels: np.ndarray, side: int) -> Image.Image:
    image = Image.fromarray(pixels)
    # A mask stays black and white.
    return image.resize((side, side), Image.Resampling.LANCZOS if pixels.ndim == 3 else Image.Resampling.NEAREST)
