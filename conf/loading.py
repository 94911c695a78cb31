"""Reads one environment: its YAML file, then the process environment over it, then the secrets.

Invariant: later layers win key by key; a secret comes from the environment or a file, never from YAML; every
complaint names the place it comes from (file and key path, or the variable). It never prints a secret's
value.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from conf.base import Section, is_secret, section_type
from conf.errors import ConfError
from conf.explain import closest_hint, explain
from conf.files import read_environment_file
from conf.settings import Settings

PREFIX = "CARILLON_"
KeyPath = tuple[str, ...]


def load(environment: str, *, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of an environment; `CARILLON_CONF_DIR` names another folder than the shipped one."""
    variables = os.environ if environ is None else environ
    place, tree = read_environment_file(environment, variables.get(f"{PREFIX}CONF_DIR"))
    _refuse_yaml_secrets(tree, Settings, place, ())
    origins: dict[KeyPath, str] = {}
    for variable, value in sorted(variables.items()):
        # Variables without "__" (CARILLON_CONF_DIR, Kubernetes' CARILLON_SERVICE_HOST) are not settings.
        if variable.startswith(PREFIX) and "__" in variable and value != "":
            _apply_variable(tree, origins, variable, value)
    tree["environment"] = environment
    try:
        return Settings.model_validate(tree)
    except ValidationError as problem:
        raise ConfError(explain(problem, tree, place, origins)) from None


def _refuse_yaml_secrets(tree: Mapping[str, Any], model: type[Section], place: str, path: KeyPath) -> None:
    for key, value in tree.items():
        field = model.model_fields.get(key)
        if field is None:
            continue
        inner = section_type(field.annotation)
        if inner and isinstance(value, Mapping):
            _refuse_yaml_secrets(value, inner, place, (*path, key))
        elif is_secret(field.annotation):
            variable = PREFIX + "__".join((*path, key)).upper()
            raise ConfError(
                f"{place}: {'.'.join((*path, key))}: a secret does not belong in a file that is committed.\n"
                f"  fix: remove it and set {variable}, or {variable}_FILE to the path of a file that holds it"
            )


def _apply_variable(tree: dict[str, Any], origins: dict[KeyPath, str], variable: str, value: str) -> None:
    path, is_file = _key_path(variable)
    if path in origins:
        raise ConfError(f"{origins[path]} and {variable} both set {'.'.join(path)}. fix: keep one of them")
    node = tree
    for key in path[:-1]:
        child = node.setdefault(key, {})
        if not isinstance(
            child, dict
        ):  # the YAML has a plain value where a section belongs: let validation say so
            return
        node = child
    node[path[-1]] = _read_secret(variable, value) if is_file else _read_value(variable, value)
    origins[path] = variable


def _read_value(variable: str, value: str) -> Any:
    """Plain values as they are, for pydantic to read; a list is JSON."""
    if not value.startswith("["):
        return value
    try:
        return tuple(json.loads(value))
    except ValueError as problem:
        raise ConfError(f"{variable}: not a JSON list: {problem}") from None


def _key_path(variable: str) -> tuple[KeyPath, bool]:
    """The setting a variable names, and whether it names it through a file."""
    path = tuple(variable[len(PREFIX) :].lower().split("__"))
    model: type[Section] = Settings
    for depth, key in enumerate(path):
        is_last = depth == len(path) - 1
        field = model.model_fields.get(key)
        target = key.removesuffix("_file")
        if is_last and field is None and target != key and target in model.model_fields:
            if not is_secret(model.model_fields[target].annotation):
                raise ConfError(
                    f"{variable}: only secrets are read from files. fix: set {variable.removesuffix('_FILE')}"
                )
            return (*path[:-1], target), True
        inner = section_type(field.annotation) if field else None
        if field is None or is_last == (inner is not None) or path == ("environment",):
            names = [name for name in model.model_fields if name != "environment"]
            raise ConfError(
                f"{variable}: no setting '{'.'.join(path[: depth + 1])}'{closest_hint(key, names)}"
            )
        model = inner or model
    return path, False


def _read_secret(variable: str, location: str) -> str:
    try:
        text = Path(location).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else "not UTF-8 text"
        raise ConfError(f"{variable}: cannot read {location}: {reason}") from None
    if not text:
        raise ConfError(f"{variable}: {location} is empty")
    return text
