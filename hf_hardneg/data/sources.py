"""Sources whose configuration and split stand in their name, since no flag of a command names them."""

import re
from pathlib import Path
from typing import NamedTuple

from datasets import Dataset

from .builders import UnknownConfigError
from .files import UnknownSplitError, open_dataset


SPELLING = "SOURCE, SOURCE:SPLIT or SOURCE:CONFIG:SPLIT"
_SPLIT = r"[\w.-]+(?:\[[-\d:%]*\])?"  # such as "test" or "test[:20]"
_PARTS = re.compile(rf"(?P<name>.+?)(?::(?P<config>[^:/\\]+))?:(?P<split>{_SPLIT}(?:\+{_SPLIT})*)")


class Source(NamedTuple):
    """A file, folder or Hub id, and what of it is meant.

    Attributes:
        name: The file, the folder, the Hub id or ID@REVISION.
        config: The name of a configuration, or None.
        split: The name of a split, or a slice, or None.
    """

    name: str
    config: str | None = None
    split: str | None = None


def parse_source(spec: str) -> Source:
    """Read SOURCE, SOURCE:SPLIT or SOURCE:CONFIG:SPLIT. A path that exists is a source, whatever its name holds.

    Examples:
        >>> parse_source("org/birds@v2:validation[:100]")
        Source(name='org/birds@v2', config=None, split='validation[:100]')
        >>> parse_source("org/birds:small:test")
        Source(name='org/birds', config='small', split='test')
    """
    found = None if Path(spec).expanduser().exists() else _PARTS.fullmatch(spec)
    if found is None:
        return Source(spec)
    name, config, split = found["name"], found["config"], found["split"]
    if config and Path(f"{name}:{config}").expanduser().exists():
        return Source(f"{name}:{config}", None, split)
    return Source(name, config, split)


def open_source(spec: str, split: str, config: str | None = None) -> Dataset:
    """Open SOURCE, SOURCE:SPLIT or SOURCE:CONFIG:SPLIT as `open_dataset` does.

    Args:
        spec: What the user named.
        split: The split if the user named none.
        config: The configuration if the user named none.

    Raises:
        FileNotFoundError: As `open_dataset`.
        ValueError: As `open_dataset`; for a split or a configuration that is not there, the message says how to spell
            one that is.
    """
    source = parse_source(spec)
    split = source.split or split
    try:
        return open_dataset(source.name, split, source.config or config)
    except UnknownConfigError as error:
        raise ValueError(f"{error.fault}; choose one of {error.names}: {source.name}:CONFIG:{split}.") from error
    except UnknownSplitError as error:
        config = f"{source.config}:" if source.config else ""
        raise ValueError(f"{error.fault}; choose one: {source.name}:{config}SPLIT.") from error
