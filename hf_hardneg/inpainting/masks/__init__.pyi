from .text_masks import ClipSegMasks as ClipSegMasks
from .text_masks import GroundedSamMasks as GroundedSamMasks
