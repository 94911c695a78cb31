"""An S3 endpoint on loopback: moto's server in a process of its own, with one bucket.

Invariant: it honours If-None-Match as S3 does, which the lake's commits depend on. Objects live in that
process (the larger ones in its temporary files) and are gone when it ends: to take S3 away and bring it
back, pause() and resume().
"""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

from embedded.errors import EmbeddedError
from embedded.process import ServerProcess, accepts_connections, free_port

ACCESS_KEY_ID = "carillon"
SECRET_ACCESS_KEY = "carillon-embedded"
REGION = "us-east-1"


class S3Endpoint:
    """One endpoint with one bucket; `endpoint_url` is valid before start()."""

    def __init__(self, work_dir: Path, port: int | None = None, bucket: str = "carillon") -> None:
        self.bucket = bucket
        self._port = port or free_port()
        command = [sys.executable, "-m", "embedded.s3_server", str(self._port)]
        temporary = work_dir / "s3-objects"
        temporary.mkdir(parents=True, exist_ok=True)
        environment = {
            "TMPDIR": str(temporary),
            "PYTHONPATH": str(Path(__file__).resolve().parent.parent),
            # moto answers for other hosts by their names; here every name is a bucket path on this endpoint.
            "S3_IGNORE_SUBDOMAIN_BUCKETNAME": "true",
        }
        self._process = ServerProcess("the S3 endpoint", command, work_dir / "s3.log", environment)

    @property
    def endpoint_url(self) -> str:
        """http://host:port for clients, path style."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def running(self) -> bool:
        """Whether the process exists."""
        return self._process.running

    def begin(self) -> None:
        """Start without waiting for an answer."""
        self._process.start()

    def wait(self, timeout_s: float = 60.0) -> None:
        """Return when the bucket exists and answers."""
        self._process.wait_until(lambda: accepts_connections(self._port), timeout_s)
        self.create_bucket(self.bucket, timeout_s)

    def create_bucket(self, name: str, timeout_s: float = 10.0) -> None:
        """Another bucket beside the one it starts with."""
        try:
            with urlopen(Request(f"{self.endpoint_url}/{name}", method="PUT"), timeout=timeout_s):
                pass
        except URLError as error:
            raise EmbeddedError(f"the S3 endpoint made no bucket {name}: {error}") from error

    def start(self) -> None:
        """begin() and wait(); a second start is empty again."""
        self.begin()
        self.wait()

    def stop(self) -> None:
        """End it, and with it the objects."""
        self._process.stop(timeout_s=3.0)

    def kill(self) -> None:
        """kill -9."""
        self._process.kill()

    def pause(self) -> None:
        """Freeze the process: requests hang."""
        self._process.pause()

    def resume(self) -> None:
        """Undo pause(): the objects are still there."""
        self._process.resume()
