"""Example records, whole: key, headers and value as they stand on the topic.

Invariant: every example validates against the generated schema of its topic (a test says so). Invented people
only.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from typing import Any


@dataclass(frozen=True, slots=True)
class Example:
    """One Kafka record; `value` is the parsed JSON, or the text of bytes that are no JSON."""

    key: str
    headers: dict[str, str]
    value: Any

    def value_bytes(self) -> bytes:
        """The value as a producer would write it."""
        if isinstance(self.value, str):
            return self.value.encode()
        return json.dumps(self.value, ensure_ascii=False, separators=(",", ":")).encode()


def load_example(file_name: str) -> Example:
    """The example in that file of this folder."""
    parsed = json.loads(resources.files(__name__).joinpath(file_name).read_text(encoding="utf-8"))
    return Example(parsed["key"], parsed.get("headers", {}), parsed["value"])
