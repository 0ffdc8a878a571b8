"""The one way to read YAML from outside: every fault is one sentence that names the file."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from .plain_files import require_file


MAX_VALUES = 1_000_000  # aliases can make a short file as large as one likes


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice in a mapping, of which YAML would silently take the last."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        """As in `yaml.SafeLoader`, for a mapping without such a key."""
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if (key.tag, key.value) in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key.value!r} stands there twice", key.start_mark
                    )
                seen.add((key.tag, key.value))
        return super().construct_mapping(node, deep)


def read_yaml(file: str | Path, name: str) -> Any:
    """What a YAML file holds; JSON is YAML, too.

    Args:
        file: The file, UTF-8 with or without a byte order mark.
        name: What errors call it.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no regular file or no valid YAML, has a key twice, or its aliases make it too large.
    """
    require_file(file)
    try:
        content = yaml.load(Path(file).read_text(encoding="utf-8-sig"), _Loader)
        size = _count(content, {})
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"{name} is no valid YAML: {error}; mend it.") from error
    if size > MAX_VALUES:
        raise ValueError(f"{name} holds more than {MAX_VALUES:,} values, once its aliases are followed; mend it.")
    return content


def _count(data: Any, known: dict[int, int]) -> int:
    """The number of values, each counted as often as aliases repeat it."""
    if not isinstance(data, dict | list):
        return 1
    if id(data) not in known:
        known[id(data)] = MAX_VALUES + 1  # what holds itself has no end
        known[id(data)] = 1 + sum(_count(one, known) for one in (data.values() if isinstance(data, dict) else data))
    return known[id(data)]
