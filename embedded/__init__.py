"""Real servers on loopback (a Kafka broker, an S3 endpoint) for the demo, development and the tests.

Invariant: whatever was started is stopped when its owner ends, however it ends. Not for production.
"""

from __future__ import annotations

from embedded.errors import EmbeddedError

__all__ = ["EmbeddedError"]
