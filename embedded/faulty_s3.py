"""A door in front of an S3 endpoint that can be slow, lose answers or refuse, as a test or a drill decides.

Invariant: a request meets at most one fault, chosen by the `rule` when it arrives; without a fault it passes
unchanged. A fault decides about whole requests only: it does not cut bodies short.
"""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Fault:
    """What happens to one request: a pause, then an answer in S3's place, or its real answer lost."""

    delay_s: float = 0.0
    status: int | None = None
    error_code: str = "InternalError"
    lose_reply: bool = False


Rule = Callable[[str, str, Mapping[str, str]], Fault | None]


def no_fault(_method: str, _path: str, _headers: Mapping[str, str]) -> Fault | None:
    """The rule of a quiet day."""
    return None


class FaultyS3:
    """`with FaultyS3(endpoint.endpoint_url) as door:`; clients use door.endpoint_url, door.rule decides."""

    def __init__(self, endpoint_url: str, rule: Rule = no_fault) -> None:
        self.rule = rule
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(urlsplit(endpoint_url).netloc, self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def endpoint_url(self) -> str:
        """http://host:port for clients, path style."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> FaultyS3:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(target: str, door: FaultyS3) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def handle_one(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fault = door.rule(self.command, self.path, dict(self.headers)) or Fault()
            time.sleep(fault.delay_s)
            if fault.status is not None:
                text = f"<Error><Code>{fault.error_code}</Code><Message>injected</Message></Error>".encode()
                self._reply(fault.status, [("Content-Type", "application/xml")], text)
                return
            status, headers, answer = _forward(target, self.command, self.path, dict(self.headers), body)
            if fault.lose_reply:
                self.close_connection = True
                return
            self._reply(status, headers, answer)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_one  # noqa: N815  # names given by http.server

        def _reply(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
            self.send_response_only(status)
            has_length = any(name.lower() == "content-length" for name, _ in headers)
            for name, value in headers:
                self.send_header(name, value)
            if not has_length:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if (
                self.command != "HEAD"
            ):  # a client takes what follows for the next answer, and waits for the rest
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class names it so
            """Quiet."""

    return Handler


def _forward(
    target: str, method: str, path: str, headers: Mapping[str, str], body: bytes
) -> tuple[int, list[tuple[str, str]], bytes]:
    connection = http.client.HTTPConnection(target, timeout=60)
    try:
        passed = {
            name: value for name, value in headers.items() if name.lower() not in ("expect", "connection")
        }
        connection.request(method, path, body or None, passed)
        response = connection.getresponse()
        answer = response.read()
        dropped = ("connection", "transfer-encoding")
        return (
            response.status,
            [pair for pair in response.getheaders() if pair[0].lower() not in dropped],
            answer,
        )
    finally:
        connection.close()
