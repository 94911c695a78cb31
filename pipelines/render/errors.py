"""What goes wrong in rendering, as data and as exceptions.

Invariant: a template that cannot be used at all raises `TemplateError` when it is compiled; a row that
cannot be rendered is a `RowError` beside the text of the other rows. Everything here pickles.
Does not decide what a failed row means for a decision: that is the ledger's business.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from jinja2 import TemplateRuntimeError, UndefinedError

ErrorKind = Literal["undefined", "type", "value", "abort", "limit", "security"]


class TemplateError(ValueError):
    """A template that is refused, with its file, line and a hint."""

    def __init__(self, template: str, line: int | None, problem: str, hint: str = "") -> None:
        super().__init__(template, line, problem, hint)
        self.template = template
        self.line = line
        self.problem = problem
        self.hint = hint

    def __str__(self) -> str:
        where = f"template {self.template!r}" + (f" line {self.line}" if self.line else "")
        return f"{where}: {self.problem}" + (f". {self.hint}" if self.hint else "")


@dataclass(frozen=True, slots=True)
class RowError:
    """Why one row has no text: the row's index in the batch, and the place in the template."""

    row: int
    template: str
    line: int | None
    variable: str | None
    kind: ErrorKind
    message: str


class AbortError(TemplateRuntimeError):
    """The author's `abort("reason")`."""


class LimitError(TemplateRuntimeError):
    """A bound on loops, repetition or output was reached."""


class NoneOutputError(UndefinedError):
    """An output statement whose value is None."""


def closest(name: str, known: Iterable[str]) -> str:
    """A hint that names the nearest known name, or nothing when none is near."""
    near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.6)
    return f"Did you mean {near[0]!r}?" if near else ""
