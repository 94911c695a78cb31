"""Runs a lowered template over a batch: statements to pieces of text, and one final join.

Invariant: a piece is static text, an array with one text a row, or a choice of two pieces; a null is a row
that the kernels do not decide. Large text is copied once for each join it stands in. Does not decide what a null means.
"""

from __future__ import annotations

from itertools import zip_longest
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.render.errors import RowError
from pipelines.render.frame import Frame
from pipelines.render.ir import Abort, Block, Expr, Force, If, Loop, Out, Rows, Stmt, Text
from pipelines.render.kernels import rows, text
from pipelines.render.kernels.joining import as_array, join
from pipelines.render.kernels.pieces import Choice, Piece, merged, null_rows
from pipelines.render.kernels.vector import Mask, either, mask_of, without
from pipelines.render.sandbox import refuse_none


class Run:
    """One execution of a program over one batch."""

    def __init__(self, frame: Frame, most_steps: int = 100_000) -> None:
        self.most_steps = most_steps
        self.steps = 0
        self.loops: list[tuple[Frame, Mask | None]] = []
        self.frame = frame
        frame.run = self
        self.known: dict[int, RowError] = {}
        self.quiet = False
        self.lost: Mask = np.zeros(frame.size, np.bool_)

    def text(self, block: Block) -> Any:
        """The text of each row, null where undecided."""
        return as_array(self.joined(block, self.frame, None), self.frame.size)

    def captured(self, block: Block, frame: Frame) -> Any:
        """A block's text as a value, null where undecided."""
        active = frame.active
        noted, self.quiet = self.quiet, True
        out = as_array(self.joined(block, frame, active), frame.size)
        frame.active, self.quiet = active, noted
        return out

    def joined(self, block: Block, frame: Frame, active: Mask | None) -> Any:
        """The block's text: static, or one for each row."""
        return join(self.pieces(block, frame, active), frame.size)

    def pieces(self, block: Block, frame: Frame, active: Mask | None) -> list[Piece]:
        """The block's pieces in order; rows outside `active` hold anything."""
        out: list[Piece] = []
        for stmt in block.body:
            frame.active = active
            if isinstance(stmt, If):
                made = self._branch(stmt, frame, active)
            else:
                piece = self._piece(stmt, frame, active)
                made = [] if piece is None else [piece]
            for piece in made:
                if not isinstance(piece, str):
                    self._note(piece, stmt, frame, active)
            out += made
        return out

    def _piece(self, stmt: Stmt, frame: Frame, active: Mask | None) -> Piece | None:
        if isinstance(stmt, Text):
            return stmt.text
        if isinstance(stmt, Out):
            return frame.eval(stmt.text).data
        if isinstance(stmt, Loop):
            return self._loop(stmt, frame, active)
        if isinstance(stmt, Force):
            return _empty_unless(_failures(frame, stmt.value), frame.size)
        if isinstance(stmt, Abort):
            return pa.nulls(frame.size, pa.string())
        assert isinstance(stmt, Rows)
        return self._rows(stmt, frame)

    def _branch(self, stmt: If, frame: Frame, active: Mask | None) -> list[Piece]:
        test, failed = frame.bools(stmt.test)
        hits = test.true_count
        if failed is None and hits in (0, frame.size):
            return self.pieces(stmt.then if hits else stmt.otherwise, frame, active)
        mask = mask_of(test)
        sides: list[list[Piece]] = []
        for block, chosen in ((stmt.then, mask), (stmt.otherwise, ~mask)):
            inner = chosen if active is None else chosen & active
            if failed is not None:
                inner = inner & ~failed
            sides.append(self.pieces(block, frame, inner) if inner.any() else [])
        out: list[Piece] = []
        for shared, then, otherwise in shared_pieces(*sides):
            left, right = merged(then), merged(otherwise)
            if all(isinstance(p, str) for p in (*left, *right)) and left == right:
                out += left
            else:
                out += [Choice(mask, *pair) for pair in zip_longest(left, right, fillvalue="")]
            out += shared
        if failed is not None:
            out.append(without(as_array("", frame.size), failed))
        return out

    def _loop(self, stmt: Loop, frame: Frame, active: Mask | None) -> Piece:
        child = frame.child(stmt.domain)
        inner = None if active is None else active[child.parents]
        beyond = self._count_steps(child, inner)
        body: Piece = ""
        if child.size and (inner is None or inner.any()):
            body = self.joined(stmt.body, child, inner)
        lengths = np.diff(child.offsets)
        if isinstance(body, str):
            out = pc.binary_repeat(pa.scalar(body, pa.string()), pa.array(lengths)) if body else ""
        else:
            out = text.joined_items(child.offsets, body)
        if stmt.otherwise.body:
            empty = lengths == 0 if child.refused is None else (lengths == 0) & ~child.refused
            other = self.joined(stmt.otherwise, frame, empty if active is None else empty & active)
            out = Choice(empty, other, out)
        refused = either(child.refused, beyond)
        if refused is not None:
            out = without(as_array(join([out], frame.size), frame.size), refused)
        return out

    def _count_steps(self, child: Frame, active: Mask | None) -> Mask | None:
        """The rows around a loop whose message has used up its loop steps."""
        self.steps += child.size
        self.loops.append((child, active))
        if self.steps <= self.most_steps or child.parent is None:
            return None
        taken = np.zeros(self.frame.size, np.int64)
        for loop, mask in self.loops:
            rows_of_items = loop.batch_rows
            taken += np.bincount(
                rows_of_items if mask is None else rows_of_items[mask], minlength=self.frame.size
            )
        return either((taken > self.most_steps)[child.parent.batch_rows])

    def _rows(self, stmt: Rows, frame: Frame) -> Piece:
        program: rows.RowProgram = stmt.program
        value = rows.run(frame, stmt.values, program, program.text)
        out = without(rows.as_texts(value.data, refuse_none), value.bad)
        return text.wire(out) if stmt.wire else out

    def _note(self, piece: Piece, stmt: Stmt, frame: Frame, active: Mask | None) -> None:
        """Records why rows of the batch failed at a statement, when it is certain."""
        if self.quiet or frame.parent is not None:
            return
        nulls = null_rows(piece)
        if nulls is None:
            return
        fresh = nulls & ~self.lost
        if active is not None:
            fresh &= active
        self.lost |= fresh
        if isinstance(stmt, Out):
            self._note_none(stmt, frame, fresh)
        elif isinstance(stmt, Abort):
            self._note_abort(stmt, frame, fresh)

    def _note_none(self, stmt: Out, frame: Frame, fresh: Mask) -> None:
        value = frame.eval(stmt.source)
        if value.failed is not None or stmt.path is None or isinstance(value.data, list):
            return
        place = stmt.place
        for row in np.nonzero(fresh)[0].tolist():
            message = f"{stmt.path} is None"
            self.known[row] = RowError(row, place.template, place.line, stmt.path, "undefined", message)

    def _note_abort(self, stmt: Abort, frame: Frame, fresh: Mask) -> None:
        value = frame.eval(stmt.reason)
        if value.failed is not None:
            return
        place = stmt.place
        reasons = frame.array(value)
        for row in np.nonzero(fresh)[0].tolist():
            reason = reasons[row].as_py()
            if reason is not None:
                self.known[row] = RowError(row, place.template, place.line, None, "abort", reason)


def shared_pieces(
    then: list[Piece], otherwise: list[Piece]
) -> list[tuple[list[Piece], list[Piece], list[Piece]]]:
    """Both branches as (shared piece that follows, what only one has, what only the other has).

    An array that both branches emit is joined once and not chosen between: choosing copies it.
    """
    out: list[tuple[list[Piece], list[Piece], list[Piece]]] = []
    first = 0
    second = 0
    for at, piece in enumerate(then):
        if isinstance(piece, str):
            continue
        for other in range(second, len(otherwise)):
            if otherwise[other] is piece:
                out.append(([piece], then[first:at], otherwise[second:other]))
                first, second = at + 1, other + 1
                break
    out.append(([], then[first:], otherwise[second:]))
    return out


def _failures(frame: Frame, expr: Expr) -> Mask | None:
    """The rows in which an expression fails; a text made of a value fails where the value does, and is not made."""
    if expr.name == "to_text" and expr.args[0].type.kind != "none":
        return frame.eval(expr.args[0]).failed
    return frame.eval(expr).bad


def _empty_unless(bad: Mask | None, size: int) -> Piece | None:
    return None if bad is None else without(pa.repeat(pa.scalar(""), size), bad)
