"""Finds and parses the YAML file of an environment.

Invariant: whatever is wrong with the file is one line with its name. It knows nothing of what the keys mean.
"""

from __future__ import annotations

import difflib
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from conf.errors import ConfError
from conf.strict_yaml import read_yaml

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable  # Python 3.10 has it elsewhere


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
        tree = read_yaml(text)
    except yaml.MarkedYAMLError as problem:
        line = problem.problem_mark.line + 1 if problem.problem_mark else 1
        fix = f". {problem.note}" if problem.note else ""
        raise ConfError(f"{place} line {line}: not YAML: {problem.problem}{fix}") from None
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
