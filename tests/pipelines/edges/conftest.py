"""What tests of units share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest

SetClock = Callable[[datetime], None]


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> SetClock:
    """Sets what the stream's clock shows."""

    def set_clock(moment: datetime) -> None:
        monkeypatch.setattr("pipelines.edges.stream.now", lambda: moment)

    return set_clock
