"""Both embedded servers together, with topics and bucket, as the demo, `carillon dev` and the tests use them.

Invariant: inside the `with` block both answer; after it both are gone and so is a work directory that was
not given.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from types import TracebackType

from embedded.errors import EmbeddedError
from embedded.kafka import KafkaBroker
from embedded.s3 import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY, S3Endpoint

#: Signs the links of messages that only the embedded servers ever carry; a real one comes from a secret.
SIGNING_KEY = "embedded-servers-only-not-a-secret"


class EmbeddedServers:
    """`with EmbeddedServers() as servers:` then `servers.environment()`, `servers.kafka`, `servers.s3`."""

    def __init__(self, work_dir: Path | None = None, create_topics: bool = True) -> None:
        self._owned = work_dir is None
        self.work_dir = work_dir or Path(tempfile.mkdtemp(prefix="carillon-"))
        self._create_topics = create_topics
        self.kafka = KafkaBroker(self.work_dir / "kafka")
        self.s3 = S3Endpoint(self.work_dir / "s3")

    def __enter__(self) -> EmbeddedServers:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start both side by side; when one fails the other is stopped again."""
        try:
            self.s3.begin()
            self.kafka.begin()
            self.s3.wait()
            self.kafka.wait()
            if self._create_topics:
                from schemas.topics import load_topics

                self.kafka.create_topics(load_topics())
        except BaseException:
            # The message names a log in the work directory: it stays.
            self._owned = False
            self.stop()
            raise

    def stop(self) -> None:
        """Stop both; the order does not matter, and what does not run is left alone."""
        try:
            # Nobody reads the data of an owned directory again: no reason to wait for an orderly end.
            self.kafka.stop(clean=not self._owned)
        finally:
            self.s3.stop()
            if self._owned:
                shutil.rmtree(self.work_dir, ignore_errors=True)

    def wait_while_running(self, poll_s: float = 0.5) -> None:
        """Sleep until one ends by itself, which is an error; Ctrl-C raises KeyboardInterrupt as usual."""
        while True:
            for name, server in (("the Kafka broker", self.kafka), ("the S3 endpoint", self.s3)):
                if not server.running:
                    self._owned = False
                    raise EmbeddedError(f"{name} ended by itself; its log is under {self.work_dir}")
            time.sleep(poll_s)

    def environment(self) -> dict[str, str]:
        """The variables with which `conf.load` finds these servers, whatever the environment's YAML says."""
        return {
            "CARILLON_KAFKA__BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
            "CARILLON_KAFKA__SECURITY_PROTOCOL": "PLAINTEXT",
            "CARILLON_LAKE__ROOT": f"s3a://{self.s3.bucket}/lake",
            "CARILLON_LAKE__ENDPOINT_URL": self.s3.endpoint_url,
            "CARILLON_LAKE__REGION": REGION,
            "CARILLON_LAKE__PATH_STYLE_ACCESS": "true",
            "CARILLON_LAKE__ACCESS_KEY_ID": ACCESS_KEY_ID,
            "CARILLON_LAKE__SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
            "CARILLON_LINKS__SIGNING_KEY": SIGNING_KEY,
        }
