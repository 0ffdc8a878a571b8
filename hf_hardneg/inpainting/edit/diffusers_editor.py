"""The diffusers editor: any inpainting pipeline of diffusers. It needs weights, and a GPU to be fast."""

import inspect
from typing import Any

import numpy as np
import torch
from PIL import Image

from ..masks.regions import dilate_mask, outline_tolerance
from ..pretrained import commit_of, explain_out_of_memory, load_pretrained, pick_device
from ..run_settings import INPAINTING
from .classical import GRAY_PHOTO, find_old_color
from .crop import Crop, crop_around, put_back, take_crop
from .cutouts import composite
from .prompts import Prompts, background_prompts, custom_prompt, object_prompts
from .replace import MIN_CHROMA, mean_color
from .rescale import rescale_object, resize_in_place
from .task import Edit, EditTask


try:
    from diffusers import AutoPipelineForInpainting
except ImportError as error:
    raise ImportError("The diffusers editor needs diffusers: pip install 'hf-hardneg[diffusers]'") from error

UNSAFE = "the pipeline's safety checker blacked the picture out"
BLACK = "the picture came out black"
GROWTH = 2  # a new object may exceed the old one by this many outline tolerances
KIND = "an inpainting pipeline of diffusers"
SEEDS = 2**32


class DiffusersEditor:
    """Edit photos by an inpainting pipeline: call it with an `EditTask`.

    The pipeline gets a square crop around the object, scaled to its native size. Only that square changes.

    - Object: the pipeline may paint a little beyond the old outline.
    - Color: the pipeline paints inside the outline. For a garment it paints where the person has the old color.
    - Size: the pipeline does not know how large the object was. So the object is rescaled as in the classical
      editor, and the pipeline paints only the background that a smaller object uncovers.

    Args:
        name_or_path: Hub id or folder of a pipeline that `AutoPipelineForInpainting` loads. The default is Stable
            Diffusion 2 for inpainting, as in the paper.
        candidates: Edits per task. The paper has three.
        steps: Denoising steps. None means the pipeline's default (50 in Stable Diffusion 2).
        guidance: Guidance scale. None means the pipeline's default (7.5 in Stable Diffusion 2).
        strength: Noise added to the photo, above 0 and at most 1. None means the pipeline's default: 1 in Stable
            Diffusion 2, and 0.6 in Flux, which keeps much of the old object.

    Raises:
        ValueError: If an argument is out of its range, the pipeline cannot be loaded, or its inputs do not fit.

    Example:
        >>> editor = DiffusersEditor(candidates=3, steps=50)  # doctest: +SKIP
        >>> [edit.details["seed"] for edit in editor(task)]  # doctest: +SKIP
        [101, 102, 103]
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
        """Return the edits, or the reason why there is none.

        A person's own prompt is used unchanged. For a size, it describes the background.
        """
        if task.proposal.concept == "size":
            return self._rescale(task)
        region = find_region(task)
        if isinstance(region, str):
            return region
        return self._paint(task, region, object_prompts(task.proposal, custom_prompt(task)))

    def _rescale(self, task: EditTask) -> list[Edit] | str:
        rescaled = resize_in_place(task)
        if isinstance(rescaled, str):
            return rescaled
        if rescaled.factor > 1:  # it covers the old object except for a narrow edge, which patches can fill
            edit = rescale_object(task)
            return edit if isinstance(edit, str) else [edit]
        backgrounds = self._paint(task, rescaled.hole, background_prompts(task.proposal, custom_prompt(task)))
        if isinstance(backgrounds, str):
            return backgrounds
        changed, factor = rescaled.hole | (rescaled.alpha > 0), {"factor": round(rescaled.factor, 3)}
        return [
            Edit(composite(one.pixels, rescaled.pixels, rescaled.alpha), changed, {**one.details, **factor})
            for one in backgrounds
        ]

    def _paint(self, task: EditTask, region: np.ndarray, prompts: Prompts) -> list[Edit] | str:
        """Paint `region`, (H, W) bool with at least one True, once per candidate.

        If all candidates fail, return the reason of the last one.
        """
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
        """Return one picture, (size, size, 3) uint8, or the reason why it cannot be used."""
        # A generator on the CPU gives the same noise for every device.
        generator = torch.Generator("cpu").manual_seed(seed)
        sizes = {name: self.size for name in ("height", "width") if name in _inputs(self.pipe)}
        with explain_out_of_memory(self.name_or_path):
            output = self.pipe(**inputs, **sizes, **self.settings, generator=generator)
        flags = output.get("nsfw_content_detected")
        if flags and flags[0]:
            return UNSAFE
        pixels = np.array(output.images[0].convert("RGB"))
        return pixels if pixels.any() else BLACK  # overflow in float16 gives NaN, which becomes 0

    def _details(self, texts: dict[str, str], seed: int, crop: Crop) -> dict[str, Any]:
        geometry = {"size": self.size, "crop": list(crop), "dtype": str(self.pipe.dtype).removeprefix("torch.")}
        return {**self.about, **texts, "seed": seed, **self.settings, **geometry}


def find_region(task: EditTask) -> np.ndarray | str:
    """Return where the pipeline may paint: never over another annotated object.

    Returns:
        (H, W) bool, or the reason why it may paint nowhere.
    """
    proposal, others = task.proposal, task.others & ~task.mask
    if proposal.concept == "object":
        return dilate_mask(task.mask, GROWTH * outline_tolerance(task.mask)) & ~others
    if mean_color(task.photo)[3] < MIN_CHROMA:
        return GRAY_PHOTO
    if proposal.garment is None and not proposal.is_part:
        return task.mask
    weights = find_old_color(task)
    return weights if isinstance(weights, str) else weights > 0.5


def native_size(pipe: Any) -> int:
    """Return the side, in pixels, of the square images that a pipeline was trained on.

    Args:
        pipe: A diffusers pipeline.

    Raises:
        ValueError: If its config does not say it.
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
    """Fill settings that are None with the pipeline's defaults, so that an edit's details record them."""
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
