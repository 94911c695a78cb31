"""Every feature an author can use: a template, its text, its share of kernels, and real Jinja2's agreement."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from pipelines.render import compile_template
from tests.pipelines.render.differential import differences
from tests.pipelines.render.grammar import SCHEMA, batch_of

_FOLDER = Path(__file__).parents[2] / "fixtures" / "render"


def _cases() -> list[Any]:
    out = []
    for path in sorted(_FOLDER.glob("*.yaml")):
        for number, held in enumerate(yaml.safe_load(path.read_text(encoding="utf-8"))):
            out.append(pytest.param(held, id=f"{path.stem}-{number}"))
    return out


@pytest.mark.parametrize("held", _cases())
@pytest.mark.parametrize("html", [False, True], ids=["text", "html"])
def test_feature(held: dict[str, Any], html: bool) -> None:
    sources = {"t": held["template"], **held.get("sources", {})}
    assert differences(sources, "t", *(batch_of(Random(seed)) for seed in range(12)), html=html) == []
    coverage = compile_template("t", sources, html=html, schema=SCHEMA).coverage
    if held.get("row_wise"):
        assert coverage.fallbacks, "expected a fallback"
        assert all(f.reason and f.line for f in coverage.fallbacks)
    else:
        assert coverage.fallbacks == (), json.dumps([f.reason for f in coverage.fallbacks])
        assert coverage.share == 1.0
