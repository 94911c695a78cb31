"""A publisher of its own process that stops in the middle of a transaction and waits to be killed.

`python -m tests.pipelines.edges.dying_producer`; what to publish where comes as a pickle on standard input.
It says "open" when the broker has every record and the transaction is not committed.
"""

from __future__ import annotations

import pickle
import sys
import time
from typing import Any

from pipelines.edges.publisher import PartitionPublisher


class Dying:
    """A producer that gets as far as the commit."""

    def __init__(self, producer: Any) -> None:
        self._producer = producer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._producer, name)

    def commit_transaction(self, _timeout_s: float) -> None:
        self._producer.flush(30.0)
        sys.stdout.write("open\n")
        sys.stdout.flush()
        time.sleep(600)


def main() -> None:
    target, key, position, records = pickle.load(sys.stdin.buffer)
    publisher = PartitionPublisher(target, key)

    publisher._producer._producer = Dying(publisher._producer._producer)
    publisher.publish(position, records)


if __name__ == "__main__":
    main()
