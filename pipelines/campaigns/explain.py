"""pydantic's errors about a `campaign.yaml`, told to its author: key path, found, allowed, fix.

Every error of pydantic yields one `Problem`; a kind not listed here keeps pydantic's own sentence.
"""

from __future__ import annotations

import typing
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from pipelines.campaigns.errors import Problem, did_you_mean
from pipelines.campaigns.model import CampaignSpec

_QUOTE_HINT = "YAML reads some bare words as other types (no, on, 1.0, 2026-01-01); put the value in quotes"


def explain(error: ValidationError, file: str) -> list[Problem]:
    """One problem per error, in the order of pydantic."""
    return [_problem(item, file) for item in error.errors(include_url=False)]


def _problem(item: Any, file: str) -> Problem:
    kind, loc, found = item["type"], item["loc"], _show(item["input"])
    key = key_path(loc)
    context = item.get("ctx", {})
    if kind == "extra_forbidden":
        allowed = _keys_beside(loc)
        name = str(loc[-1])
        hint = did_you_mean(name, allowed, "Remove it, or see campaign.schema.json for what each key means")
        return Problem(file, key, f"unknown key '{name}'", ", ".join(allowed), hint)
    if kind == "missing":
        return Problem(file, key, "missing", "", f"Add '{loc[-1]}: …'")
    if kind == "literal_error":
        allowed_text = context["expected"].replace(" or ", ", ").replace("'", "")
        hint = did_you_mean(str(item["input"]), allowed_text.split(", "), "")
        return Problem(file, key, found, allowed_text, hint)
    if kind == "string_pattern_mismatch":
        return Problem(file, key, found, f"text like {context['pattern']}", "")
    if kind == "value_error":
        return Problem(file, key, str(context["error"]), "", "")
    if kind.endswith("_type"):
        wanted = kind.removesuffix("_type").replace("_", " ")
        hint = _QUOTE_HINT if wanted == "string" else ""
        return Problem(file, key, f"{found} ({type(item['input']).__name__})", f"a {wanted}", hint)
    return Problem(file, key, found, item["msg"], "")


def key_path(loc: Sequence[int | str]) -> str:
    """`('channels', 1)` → `channels[1]`; pydantic's markers for keys of mappings are left out."""
    path = ""
    for part in loc:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part != "[key]":
            path += f".{part}" if path else part
    return path


def _show(value: Any) -> str:
    text = "nothing" if value is None else repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 80 else text[:77] + "…"


def _keys_beside(loc: Sequence[int | str]) -> list[str]:
    model: type[BaseModel] = CampaignSpec
    for part in loc[:-1]:
        if isinstance(part, int):  # an element of a list, whose model was found with the list
            continue
        by_key = {field.alias or name: field for name, field in model.model_fields.items()}
        nested = _model_in(by_key[part].annotation) if part in by_key else None
        if nested is None:
            return []
        model = nested
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model in `Model`, `Model | None` or `tuple[Model, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, typing.get_args(annotation))), None)
