"""Column names and features of this project's datasets: one word per thing, everywhere."""

from datasets import Features, Image, List, Value


IMAGE = "image"
IMAGE_EMBEDS = "image_embeds"
IMAGE_FEATURES = "image_features"
IMAGE_ID = "image_id"
PAIR_ID = "pair_id"
CAPTION = "caption"
OTHER_CAPTIONS = "other_captions"
CATEGORIES = "categories"
NEGATIVES = "negatives"
NEGATIVE_CONCEPTS = "negative_concepts"
NEGATIVE_OPERATORS = "negative_operators"
NEGATIVE_OLDS, NEGATIVE_NEWS = "negative_olds", "negative_news"
NEGATIVE_SPANS = "negative_spans"
NEGATIVE_RATIOS = "negative_ratios"
REJECTIONS = "rejections"
POSITIVES = "positives"
POSITIVE_CONCEPTS = "positive_concepts"
POSITIVE_OPERATORS = "positive_operators"
POSITIVE_OLDS, POSITIVE_NEWS = "positive_olds", "positive_news"
POSITIVE_SPANS = "positive_spans"

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
# Rows whose images come in pairs that differ in one concept: both rows of a pair have its number, single images null.
TWIN_ROW_FEATURES = Features({**ROW_FEATURES, PAIR_ID: Value("int64")})
# What negatives are made from; the image is not looked at.
NEGATIVE_SOURCES = [IMAGE_ID, CAPTION, OTHER_CAPTIONS, CATEGORIES]
# Parallel lists, one value for each negative: its text, concept and operator ("replace" or "exchange"); the caption's
# characters `span[0]:span[1]` read `old` and were replaced by `new`; `ratio` is p(negative) / p(caption) under the
# slot model at its temperature, or under the language model that came after it. `rejections` names each reason for
# which candidates of the row were turned down.
NEGATIVE_FEATURES = Features(
    {
        NEGATIVES: List(Value("string")),
        NEGATIVE_CONCEPTS: List(Value("string")),
        NEGATIVE_OPERATORS: List(Value("string")),
        NEGATIVE_OLDS: List(Value("string")),
        NEGATIVE_NEWS: List(Value("string")),
        NEGATIVE_SPANS: List(List(Value("int32"), length=2)),
        NEGATIVE_RATIOS: List(Value("float32")),
        REJECTIONS: List(Value("string")),
    }
)
# Parallel lists as above, of captions that say the same; operators are "synonym", "hypernym" and "reorder".
POSITIVE_FEATURES = Features(
    {
        POSITIVES: List(Value("string")),
        POSITIVE_CONCEPTS: List(Value("string")),
        POSITIVE_OPERATORS: List(Value("string")),
        POSITIVE_OLDS: List(Value("string")),
        POSITIVE_NEWS: List(Value("string")),
        POSITIVE_SPANS: List(List(Value("int32"), length=2)),
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
# One row per natural twin: both photos are real, so there is no mask. `kind` is one of `twins.choose_twins.KINDS`. The
# details have each photo's id, all its captions, and the one that the pair's caption is, or is the beginning of. Ids
# stand where InpaintCOCO's readers look for the photos that a pair shows.
TWIN_FEATURES = Features(
    {
        **PAIR_FEATURES,
        "kind": Value("string"),
        "coco_details": {"id": Value("int64"), "caption": Value("string"), "captions": List(Value("string"))},
        "inpaint_details": {
            "source_image_id": Value("int64"),
            "caption": Value("string"),
            "captions": List(Value("string")),
            "key": Value("string"),
            "old": Value("string"),
            "new": Value("string"),
        },
    }
)
# One row per exported pair: the columns and sub-fields of phiyodr/InpaintCOCO, and behind them our own, as the columns
# above. `inpaint_details` says how the edit was made (`details` is the editor's own record as JSON), who became what
# (`old`, `new`) and which journal line it was (`key`); `duration` is the review's, in seconds. What an editor has no
# use for, such as `guidance_scale`, is null.
CHALLENGE_FEATURES = Features(
    {
        **PAIR_FEATURES,
        "worker": Value("string"),
        "coco_details": {
            "captions": List(Value("string")),
            "coco_url": Value("string"),
            "date_captured": Value("string"),
            "flickr_url": Value("string"),
            "height": Value("int64"),
            "id": Value("int64"),
            "image_license": Value("string"),
            "text_license": Value("string"),
            "width": Value("int64"),
        },
        "inpaint_details": {
            "duration": Value("int64"),
            "guidance_scale": Value("float64"),
            "num_inference_steps": Value("int64"),
            "prompt": Value("string"),
            "prompts_used": List(Value("string")),
            "quality": Value("int64"),
            "editor": Value("string"),
            "model": Value("string"),
            "seed": Value("uint64"),
            "key": Value("string"),
            "old": Value("string"),
            "new": Value("string"),
            "source_image_id": Value("int64"),
            "details": Value("string"),
        },
        "mask_details": {
            "height_factor": Value("int64"),
            "prompt": Value("string"),
            "prompts_used": List(Value("string")),
            "threshold": Value("float64"),
            "width_factor": Value("int64"),
            "source": Value("string"),
            "area": Value("float64"),
            "category": Value("string"),
            "instance_id": Value("int64"),
        },
    }
)


def with_negatives(features: Features) -> Features:
    """Features of rows after `AddHardNegatives`: pass them to `map`, which cannot tell the type of empty lists.

    Examples:
        >>> list(with_negatives(Features({"caption": Value("string")})))  # doctest: +NORMALIZE_WHITESPACE
        ['caption', 'negatives', 'negative_concepts', 'negative_operators', 'negative_olds', 'negative_news',
        'negative_spans', 'negative_ratios', 'rejections']
    """
    return Features({**features, **NEGATIVE_FEATURES})


def with_positives(features: Features) -> Features:
    """Features of rows after `AddHardPositives`: pass them to `map`, which cannot tell the type of empty lists.

    Examples:
        >>> list(with_positives(Features({"caption": Value("string")})))  # doctest: +NORMALIZE_WHITESPACE
        ['caption', 'positives', 'positive_concepts', 'positive_operators', 'positive_olds', 'positive_news',
        'positive_spans']
    """
    return Features({**features, **POSITIVE_FEATURES})
