"""Write the rendered scenes to a dataset folder with a card."""

import shutil
from pathlib import Path
from typing import Any

from huggingface_hub import DatasetCard, DatasetCardData

from .. import __version__
from ..atomic_folder import check_overwrites
from ..card_metadata import DOCUMENTATION_URL, PROJECT_URL, TASK_CATEGORIES, size_category
from ..lexicon.concepts import CONCEPTS
from .world import KINDS, scene_pairs, scene_rows


TEMPLATE = Path(__file__).parent / "templates" / "scenes_card.md"
# Seeds of the scenes, as training uses them.
TRAIN, HELD_OUT, TWIN_SCENES = "train", "test", "twins"


def write_scenes(
    folder: str | Path, rows: int = 12000, pairs_per_concept: int = 300, twins_per_concept: int = 0
) -> None:
    """Write captioned scenes (config "captions"), held-out pairs ("pairs"), pairs to train on ("twins") and a card.

    Args:
        folder: Gets captions/train.parquet, pairs/test.parquet and README.md; if wanted also twins/train.parquet.
        rows: Number of captioned scenes, at least 1.
        pairs_per_concept: Number of pairs of each of the four concepts, at least 1.
        twins_per_concept: The same of pairs to train on; 0 writes none.

    Raises:
        ValueError: If a number is below its least one, or the folder holds such files of somebody else.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_scenes(folder, rows=2, pairs_per_concept=1)
        ...     sorted(path.name for path in Path(folder).iterdir())
        ['README.md', 'captions', 'pairs']
    """
    if rows < 1 or pairs_per_concept < 1 or twins_per_concept < 0:
        raise ValueError(
            f"rows and pairs_per_concept must be 1 or more and twins_per_concept 0 or more, got {rows}, "
            f"{pairs_per_concept} and {twins_per_concept}."
        )
    check_overwrites(folder, ["pairs/test.parquet"], ["README.md", "captions/train.parquet", "twins/train.parquet"])
    folder = Path(folder)
    shutil.rmtree(folder / "twins", ignore_errors=True)  # of an earlier call
    parts = [
        ("captions", "train", scene_rows(TRAIN, rows)),
        ("pairs", "test", scene_pairs(HELD_OUT, pairs_per_concept)),
    ]
    parts += [("twins", "train", scene_pairs(TWIN_SCENES, twins_per_concept))] if twins_per_concept else []
    for name, split, dataset in parts:
        (folder / name).mkdir(parents=True, exist_ok=True)
        dataset.to_parquet(str(folder / name / f"{split}.parquet"))
    pairs, twins = len(CONCEPTS) * pairs_per_concept, len(CONCEPTS) * twins_per_concept
    (folder / "README.md").write_text(_build_card(folder.name, rows, pairs, twins), encoding="utf-8")


def _build_card(title: str, rows: int, pairs: int, twins: int) -> str:
    """The dataset card, Markdown with a YAML header."""
    data = DatasetCardData(
        pretty_name=title,
        language="en",
        license="apache-2.0",
        source_datasets=["original"],
        size_categories=[size_category(rows + pairs + twins)],
        task_categories=TASK_CATEGORIES,
        annotations_creators=["machine-generated"],
        tags=["hard-negatives", "synthetic", "clip", "hf_hardneg"],
        configs=[
            {
                "config_name": "captions",
                "default": True,
                "data_files": [{"split": "train", "path": "captions/*.parquet"}],
            },
            {"config_name": "pairs", "data_files": [{"split": "test", "path": "pairs/*.parquet"}]},
            *(
                [{"config_name": "twins", "data_files": [{"split": "train", "path": "twins/*.parquet"}]}]
                if twins
                else []
            ),
        ],
    )
    facts: dict[str, Any] = {
        "title": title,
        "rows": f"{rows:,}",
        "pairs": f"{pairs:,}",
        "twins": f"{twins:,}" if twins else "",
        "kinds": len(KINDS),
        "version": __version__,
        "project_url": PROJECT_URL,
        "documentation_url": DOCUMENTATION_URL,
    }
    return str(DatasetCard.from_template(data, template_path=str(TEMPLATE), **facts))
