"""YAML that people write by hand: what it does not mean is told with its line, whatever PyYAML makes of it.

Invariant: a text is read or ends in a `yaml.MarkedYAMLError`; a key written twice is an error, not the last one's
victory. The error's `note` says how to mend it, where that is known. It knows nothing of what the keys mean.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import yaml
from yaml.constructor import ConstructorError


def read_yaml(text: str) -> Any:
    """The value of a YAML text. Raises `yaml.YAMLError`."""
    try:
        return yaml.load(text, Loader=_StrictLoader)  # a SafeLoader
    except RecursionError:
        raise yaml.YAMLError("nested too deeply") from None


class _StrictLoader(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                # `{{ name }}` without quotes is a mapping whose only key is a mapping.
                note = "Quote texts with {{ }}" if isinstance(key, yaml.MappingNode) else ""
                raise ConstructorError(None, None, "a key that is no plain text", key.start_mark, note)
            if key.value in seen:
                problem = f"the key '{key.value}' is written twice"
                raise ConstructorError(None, None, problem, key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, OverflowError):
            # The value itself is not shown: this reads settings, too.
            kind = str(node.tag).rpartition(":")[2]
            what = "date or time" if kind == "timestamp" else kind
            note = f"Quote texts that look like a {what}"
            raise ConstructorError(None, None, f"no such {what}", node.start_mark, note) from None
