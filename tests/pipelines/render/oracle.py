"""Real sandboxed Jinja2, set up apart from the product: what it renders is what is right.

It shares no code with the engines under test but the exception that says "None was printed" and the helpers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from jinja2 import DictLoader, StrictUndefined, UndefinedError
from jinja2.environment import Template
from jinja2.sandbox import SandboxedEnvironment


class NonePrintedError(UndefinedError):
    """None reached an output statement."""


def _finalize(value: Any) -> Any:
    if value is None:
        raise NonePrintedError("None")
    return value


def environment(sources: Mapping[str, str], html: bool) -> SandboxedEnvironment:
    """Jinja2 as its documentation sets it up."""
    made = SandboxedEnvironment(
        loader=DictLoader(dict(sources)),
        undefined=StrictUndefined,
        autoescape=html,
        finalize=_finalize,
        extensions=["jinja2.ext.i18n", "jinja2.ext.loopcontrols"],
    )
    made.install_null_translations(newstyle=True)  # type: ignore[attr-defined]  # added by the extension
    return made


def _line(error: BaseException) -> tuple[str, int] | None:
    found = None
    step = error.__traceback__
    while step is not None:
        code = step.tb_frame.f_globals.get("__jinja_template__")
        if isinstance(code, Template):
            found = (code.name or "", step.tb_lineno)
        step = step.tb_next
    return found


_ADDRESS = re.compile(r"\bat 0x[0-9a-f]+")


def without_addresses(text: str) -> str:
    """The text of printed Python objects without where they were in memory: that is never the same twice."""
    return _ADDRESS.sub("at 0x", text)


def render(template: Template, batch: pa.RecordBatch) -> list[Any]:
    """For each row its text, or the type of the exception."""
    out: list[Any] = []
    for row in batch.to_pylist():
        try:
            text = "".join(template.root_render_func(template.new_context(row)))
            text.encode()
            out.append(without_addresses(text))
        except Exception as error:  # the exception is the result
            out.append(type(error))
    return out
