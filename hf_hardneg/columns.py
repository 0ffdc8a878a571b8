"""Column names and features of this project's datasets: one word per thing, everywhere."""

from datasets import Features, Image, List, Value


IMAGE = "image"
IMAGE_ID = "image_id"
CAPTION = "caption"
OTHER_CAPTIONS = "other_captions"
CATEGORIES = "categories"
NEGATIVES = "negatives"
NEGATIVE_CONCEPTS = "negative_concepts"
REJECTIONS = "rejections"

# One row per caption. `other_captions` are the image's further captions and `categories` its annotated object names:
# both only serve to reject negatives that would be true.
ROW_FEATURES = Features(
    {
        IMAGE: Image(),
        IMAGE_ID: Value("int64"),
        CAPTION: Value("string"),
        OTHER_CAPTIONS: List(Value("string")),
        CATEGORIES: List(Value("string")),
    }
)
NEGATIVE_FEATURES = Features(
    {
        NEGATIVES: List(Value("string")),
        NEGATIVE_CONCEPTS: List(Value("string")),
        REJECTIONS: List(Value("string")),
    }
)
# One row per pair: the columns of phiyodr/InpaintCOCO that evaluation reads.
PAIR_FEATURES = Features(
    {
        "concept": Value("string"),
        "coco_caption": Value("string"),
        "coco_image": Image(),
        "inpaint_caption": Value("string"),
        "inpaint_image": Image(),
        "mask": Image(),
    }
)


def with_negatives(features: Features) -> Features:
    """Features of rows after `AddHardNegatives`: pass them to `map`, which cannot tell the type of empty lists.

    Example:
        >>> list(with_negatives(Features({"caption": Value("string")})))
        ['caption', 'negatives', 'negative_concepts', 'rejections']
    """
    return Features({**features, **NEGATIVE_FEATURES})
