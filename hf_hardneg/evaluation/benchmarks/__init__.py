"""Benchmarks, one file each.

A file has `DOWNLOAD`, which says what to download and where to put it, and `load(source)`, which reads the authors'
files into tasks (`evaluation.tasks.Task`). To add a benchmark, add a file here and a fixture in
tests/helpers/benchmark_fixtures.py.
"""

from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from ...suggestions import did_you_mean
from ..tasks import Task


BUILT_IN = "scenes"  # rendered by this package; needs no files


def benchmark_names() -> list[str]:
    """The benchmarks that `load_benchmark` knows, in alphabetical order.

    Examples:
        >>> benchmark_names()[:3]
        ['aro', 'coco', 'colorswap']
    """
    return sorted(module.name for module in iter_modules(__path__) if not module.name.startswith("_"))


def load_benchmark(spec: str) -> list[Task]:
    """Load the tasks of a benchmark.

    Args:
        spec: "NAME" or "NAME=SOURCE". The source is a local folder (default: data/NAME) or, for some benchmarks, a Hub
            id.

    Raises:
        ValueError: If there is no such benchmark, or its files have another form than the authors' files.
        FileNotFoundError: If files are missing; the message says what to download and where to put it.

    Examples:
        >>> [(task.name, len(task)) for task in load_benchmark("scenes")]  # doctest: +SKIP
        [('scenes', 1200), ('scenes_retrieval', 1000)]
    """
    name, _, source = spec.partition("=")
    if name not in benchmark_names():
        known = benchmark_names()
        raise ValueError(f"There is no benchmark {name!r}.{did_you_mean(name, known)} Known: {', '.join(known)}.")
    module = import_module(f"{__name__}.{name}")
    if not source and name != BUILT_IN:
        source = f"data/{name}"
        if not Path(source).is_dir():
            raise FileNotFoundError(
                f"There is no folder {source}; name yours with {name}=FOLDER. {module.DOWNLOAD.format(folder=source)}"
            )
    try:
        return module.load(source)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{error} {module.DOWNLOAD.format(folder=source)}") from error
