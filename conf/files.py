"""Finds and parses the YAML file of an environment.

Invariant: the same key twice in a file is an error, not the last one's victory. It knows nothing of what the
keys mean.
"""

from __future__ import annotations

import difflib
from collections.abc import Hashable
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import yaml

from conf.errors import ConfError


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader that refuses duplicate keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            if key_node.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key '{key_node.value}' stands twice", key_node.start_mark
                )
            seen.add(key_node.value)
        return super().construct_mapping(node, deep=deep)


def read_environment_file(environment: str, directory: str | None) -> tuple[str, dict[str, Any]]:
    """How to name the file in messages, and its content."""
    folder: Traversable = Path(directory) if directory else resources.files("conf").joinpath("environments")
    shown = directory.rstrip("/") if directory else "conf/environments"
    place = f"{shown}/{environment}.yaml"
    try:
        text = folder.joinpath(f"{environment}.yaml").read_text(encoding="utf-8")
    except (OSError, KeyError):  # KeyError: a missing member when the rooms run from a zip
        raise ConfError(_no_such_environment(environment, folder, shown)) from None
    except UnicodeDecodeError:
        raise ConfError(f"{place}: not UTF-8 text") from None
    try:
        tree = yaml.load(text, Loader=_StrictLoader)  # _StrictLoader is a SafeLoader
    except yaml.MarkedYAMLError as problem:
        line = problem.problem_mark.line + 1 if problem.problem_mark else 1
        raise ConfError(f"{place} line {line}: not YAML: {problem.problem}") from None
    except yaml.YAMLError as problem:
        raise ConfError(f"{place}: not YAML: {problem}") from None
    if not isinstance(tree, dict):
        raise ConfError(f"{place}: expected sections (kafka:, lake:, …), found {type(tree).__name__}")
    return place, tree


def _no_such_environment(environment: str, folder: Traversable, shown: str) -> str:
    if not folder.is_dir():
        return (
            f"no folder {shown}. fix: set CARILLON_CONF_DIR to the folder of your environments, or unset it"
        )
    known = sorted(item.name[: -len(".yaml")] for item in folder.iterdir() if item.name.endswith(".yaml"))
    known = [name for name in known if not name.endswith(".example")]
    close = difflib.get_close_matches(environment, known, n=1)
    hint = f"Did you mean '{close[0]}'? " if close else ""
    return (
        f"no environment '{environment}': {shown}/{environment}.yaml does not exist. {hint}"
        f"There are: {', '.join(known) or 'none'}"
    )
