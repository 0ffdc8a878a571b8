"""`hf-hardneg scenes`: the rendered scenes as a dataset folder with a card."""

from pathlib import Path

from huggingface_hub import DatasetCard, DatasetCardData

from .. import __version__
from ..columns import size_category
from .world import KINDS, scene_pairs, scene_rows


TEMPLATE = Path(__file__).parent / "templates" / "scenes_card.md"
TRAIN, HELD_OUT = "train", "test"  # seeds of the scenes, as training uses them


def write_scenes(folder: str | Path, rows: int = 12000, pairs_per_concept: int = 300) -> None:
    """Write captioned scenes (config "captions") and held-out inpainted pairs (config "pairs"), and a card.

    Args:
        folder: Gets captions/train.parquet, pairs/test.parquet and README.md.
        rows: Captioned scenes.
        pairs_per_concept: Pairs for each of the four concepts.

    Raises:
        ValueError: If there are to be no rows or no pairs.
    """
    if rows < 1 or pairs_per_concept < 1:
        raise ValueError(f"rows and pairs_per_concept must be 1 or more, got {rows} and {pairs_per_concept}.")
    folder = Path(folder)
    for name, split, dataset in (
        ("captions", "train", scene_rows(TRAIN, rows)),
        ("pairs", "test", scene_pairs(HELD_OUT, pairs_per_concept)),
    ):
        (folder / name).mkdir(parents=True, exist_ok=True)
        dataset.to_parquet(str(folder / name / f"{split}.parquet"))
    data = DatasetCardData(
        license="apache-2.0",
        language="en",
        source_datasets=["original"],
        size_categories=[size_category(rows + 4 * pairs_per_concept)],
        task_categories=["zero-shot-image-classification"],
        tags=["hard-negatives", "synthetic", "hf_hardneg"],
        configs=[
            {
                "config_name": "captions",
                "default": True,
                "data_files": [{"split": "train", "path": "captions/*.parquet"}],
            },
            {"config_name": "pairs", "data_files": [{"split": "test", "path": "pairs/*.parquet"}]},
        ],
    )
    facts = {"title": folder.name, "rows": f"{rows:,}", "pairs": f"{4 * pairs_per_concept:,}", "version": __version__}
    card = DatasetCard.from_template(data, template_path=str(TEMPLATE), kinds=len(KINDS), **facts)
    (folder / "README.md").write_text(str(card), encoding="utf-8")
