"""The settings of a run that its journal stores as `made_with`: the editor's options and the default models."""

EDITOR_OPTIONS = ("editor_model", "candidates", "steps", "guidance", "strength")  # of the diffusers editor

# The paper's Stable Diffusion 2 for inpainting. stabilityai took its copy off the Hub in November 2025; this is the
# mirror that diffusers' users were sent to (https://github.com/huggingface/optimum-habana/pull/2363).
INPAINTING = "sd2-community/stable-diffusion-2-inpainting"
CLIPSEG = "CIDAS/clipseg-rd64-refined"
GROUNDING_DINO, SAM = "IDEA-Research/grounding-dino-tiny", "facebook/sam-vit-base"
CLIP = "openai/clip-vit-base-patch32"
MASK_MODELS = {"clipseg": [CLIPSEG], "grounded_sam": [GROUNDING_DINO, SAM]}
