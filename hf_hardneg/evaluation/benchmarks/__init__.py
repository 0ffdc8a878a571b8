"""Benchmarks, one file each.

A file has `DOWNLOAD`, which says what to download and where to put it, and `load(source)`, which reads the authors'
files into tasks (`evaluation.tasks.Task`). If there are splits to choose from, `load` has the parameter `split`; if
the user may name columns, it has `image_column` or `label_column`. To add a benchmark, add a file here and a fixture
in tests/helpers/benchmark_fixtures.py.
"""

from collections.abc import Collection
from importlib import import_module
from inspect import signature
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType

from ...data.sources import parse_source
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


def parse_benchmark(spec: str) -> tuple[str, str, str | None]:
    """Read "NAME", "NAME=SOURCE", "NAME=SOURCE:SPLIT" or "NAME=SOURCE:CONFIG:SPLIT" (also "NAME:SPLIT").

    Returns:
        The name, the source ("" for the default) or SOURCE:CONFIG, and the split, if one is named. A path that exists
        is a source, whatever its name holds.

    Raises:
        ValueError: If there is no such benchmark.

    Examples:
        >>> parse_benchmark("zero_shot=org/birds@v2:validation[:100]")
        ('zero_shot', 'org/birds@v2', 'validation[:100]')
    """
    name, _, source = spec.partition("=")
    split = None
    if not source:
        name, _, split = name.partition(":")
    else:
        source, config, split = parse_source(source)
        source = f"{source}:{config}" if config else source
    if name not in benchmark_names():
        known = benchmark_names()
        raise ValueError(f"There is no benchmark {name!r}.{did_you_mean(name, known)} Known: {', '.join(known)}.")
    return name, source, split or None


def _module(name: str) -> ModuleType:
    return import_module(f"{__name__}.{name}")


def benchmark_options(name: str) -> Collection[str]:
    """What a user can choose of a benchmark: those of split, image_column and label_column that it has.

    Examples:
        >>> sorted(benchmark_options("zero_shot")), sorted(benchmark_options("aro"))
        (['image_column', 'label_column', 'split'], [])
    """
    return signature(_module(name).load).parameters.keys() - {"source"}


def load_benchmark(spec: str, **columns: str) -> list[Task]:
    """Load the tasks of a benchmark.

    Args:
        spec: "NAME", "NAME=SOURCE", "NAME=SOURCE:SPLIT" or "NAME=SOURCE:CONFIG:SPLIT". The source is a local folder
            (default: data/NAME) or, for some benchmarks, a Hub id or ID@REVISION.
        columns: image_column or label_column, of benchmarks that have them (`benchmark_options`).

    Raises:
        ValueError: If there is no such benchmark or split, or its files have another form than the authors' files.
        FileNotFoundError: If files are missing; the message says what to download and where to put it.

    Examples:
        >>> [(task.name, len(task)) for task in load_benchmark("scenes")]  # doctest: +SKIP
        [('scenes', 1200), ('scenes_retrieval', 1000)]
    """
    name, source, split = parse_benchmark(spec)
    options = columns | ({"split": split} if split else {})
    refused = sorted(options.keys() - benchmark_options(name))
    if refused:
        raise ValueError(
            f"{name} has no {refused[0]} to choose (got {options[refused[0]]!r}): it reads the files as its authors "
            "publish them."
        )
    module = _module(name)
    if not source and name != BUILT_IN:
        source = f"data/{name}"
        if not Path(source).is_dir():
            raise FileNotFoundError(
                f"There is no folder {source}; name yours with {name}=FOLDER. {module.DOWNLOAD.format(folder=source)}"
            )
    try:
        return module.load(source, **options)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{error} {module.DOWNLOAD.format(folder=source)}") from error
