"""Drivers that die at a named step, in the process of the test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pipelines.errors import ServerError


@contextmanager
def killed_at(step: str, error: type[Exception] = ServerError) -> Iterator[None]:
    """What is done inside gets as far as this function, and ends there with the error."""

    def die(*_: object) -> None:
        raise error("killed")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(step, die)
        with pytest.raises(error, match="killed"):
            yield
