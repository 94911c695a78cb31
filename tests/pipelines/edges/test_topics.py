"""Creating the declared topics where no broker is."""

from __future__ import annotations

import pytest

from pipelines.edges import topics
from pipelines.errors import ServerError
from schemas.topics import load_topics


def test_a_broker_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "TIMEOUT_S", 1.0)
    client = {"bootstrap.servers": "127.0.0.1:9", "log_level": "2"}
    with pytest.raises(ServerError, match=r"no answer from Kafka at 127\.0\.0\.1:9 in 1 s") as caught:
        topics.create_topics(client, load_topics(), 1)
    assert "kafka.bootstrap_servers" in str(caught.value)
    assert "\n" not in str(caught.value)
