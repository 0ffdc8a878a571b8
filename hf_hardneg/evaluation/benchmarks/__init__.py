"""The list of benchmarks: one file each.

A file holds `WHERE`, which says what to download and where to put it, and `load(source)`, which reads the authors'
files into tasks (`evaluation.tasks.Task`). A new benchmark is a new file here and a fixture in
tests/benchmark_fixtures.py.
"""

from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from ...suggestions import did_you_mean
from ..tasks import Task


BUILT_IN = "scenes"  # is rendered, and needs no files


def benchmark_names() -> list[str]:
    """The names that `load_benchmark` knows: those of the files here."""
    return sorted(module.name for module in iter_modules(__path__) if not module.name.startswith("_"))


def load_benchmark(spec: str) -> list[Task]:
    """Read a benchmark's tasks.

    Args:
        spec: "NAME" or "NAME=SOURCE"; a source is a local folder (default: data/NAME) or, where the benchmark has one,
            a Hub id.

    Raises:
        ValueError: If there is no such benchmark or its files are not what they should be.
        FileNotFoundError: If files are missing; the message says what to download and where to put it.
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
                f"There is no folder {source}; name yours with {name}=FOLDER. {module.WHERE.format(folder=source)}"
            )
    try:
        return module.load(source)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{error} {module.WHERE.format(folder=source)}") from error
