"""What a kernel may ask of the frame it runs in.

Invariant: kernels depend on this and not on `frame`, which depends on them. Holds no code.
"""

from __future__ import annotations

from typing import Any, Protocol

import pyarrow as pa

from pipelines.render.ir import Block, Domain, Expr
from pipelines.render.kernels.vector import Mask, Vec


class RunLike(Protocol):
    """See `execute.Run`."""

    def captured(self, block: Block, frame: Any) -> Any: ...


class FrameLike(Protocol):
    """See `frame.Frame`."""

    domain: Domain
    size: int
    items: Any
    offsets: Any
    refused: Mask | None
    active: Mask | None
    run: RunLike | None
    batch: pa.RecordBatch | None

    @property
    def parents(self) -> Any: ...

    def eval(self, expr: Expr) -> Vec: ...

    def args(self, expr: Expr) -> list[Vec]: ...

    def array(self, value: Vec) -> Any: ...

    def objects(self, expr: Expr) -> list[Any]: ...

    def bools(self, expr: Expr) -> tuple[Any, Mask | None]: ...

    def child(self, domain: Domain) -> FrameLike: ...
