"""Metrics for `evaluate`, loadable from the installed package without a network and pushable as Spaces as they are.

They compute through `hf_hardneg.evaluation`, so that a number means the same wherever it is computed: a copy of the
formulas that could be loaded without this package would be a second definition to keep equal. A Space names the
package in its requirements.txt.
"""

from pathlib import Path


def metric_folder(name: str) -> str:
    """The folder that `evaluate.load` takes for one of "pair_choices", "retrieval_recall", "negatives_accuracy".

    Raises:
        ValueError: If there is no such metric.

    Examples:
        >>> metric_folder("pair_choices").endswith("pair_choices")
        True
    """
    here = Path(__file__).parent
    known = sorted(file.stem for file in here.glob("*/*.py") if file.stem == file.parent.name)
    if name not in known:
        raise ValueError(f"There is no metric {name!r}; known are {', '.join(known)}.")
    return str(here / name)
