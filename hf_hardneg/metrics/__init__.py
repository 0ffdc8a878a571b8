"""Metrics for the library `evaluate`. They load from the installed package without a network, or from Spaces.

They compute through `hf_hardneg.evaluation`, so that there is one definition of each score. A Space therefore needs
this package, which its requirements.txt names.
"""

from pathlib import Path


def metric_folder(name: str) -> str:
    """The folder of a metric, for `evaluate.load`.

    Args:
        name: "pair_choices", "retrieval_recall" or "negatives_accuracy".

    Raises:
        ValueError: If there is no such metric.

    Examples:
        >>> metric_folder("pair_choices").endswith("pair_choices")
        True
    """
    folder = Path(__file__).parent
    known = sorted(file.stem for file in folder.glob("*/*.py") if file.stem == file.parent.name)
    if name not in known:
        raise ValueError(f"There is no metric {name!r}; known are {', '.join(known)}.")
    return str(folder / name)
