from .captioned_images import load_captioned_images as load_captioned_images
from .captions import read_captions as read_captions
from .coco import load_coco as load_coco
from .inpainted_pairs import read_inpainted_pairs as read_inpainted_pairs
from .leakage import read_challenge_ids as read_challenge_ids
from .negatives_files import read_caption_negatives as read_caption_negatives
from .splits import split_by_image as split_by_image
