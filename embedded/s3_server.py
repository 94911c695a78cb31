"""The program behind S3Endpoint: `python -m embedded.s3_server PORT` serves moto's S3 by waitress, threaded.

Invariant: connections are kept, as S3 keeps them. moto's own server ends each after one request, which costs another
connection and thread: a third of the CPU of a small request.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable
from typing import Any

from moto.moto_server.werkzeug_app import create_backend_app
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import create_server

#: More than a session's drivers, its JVM and their workers open at once.
_CONNECTIONS = 1000
_THREADS = 8


class _Parser(HTTPRequestParser):  # type: ignore[misc]  # waitress has no types, so its classes are Any
    """Reads a request without a body as complete, also where the client asks for leave to send one: boto3 does for an
    empty object, and waitress would wait for the body for ever."""

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        if not self.chunked and not self.content_length:
            self.expect_continue = False


class _Channel(HTTPChannel):  # type: ignore[misc]
    parser_class = _Parser


def _with_raw_path(application: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """moto reads a key from the path as it was sent, under the name that werkzeug's server has for it."""

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        environ["RAW_URI"] = environ["REQUEST_URI"]
        return application(environ, start_response)

    return answer


def main(port: int) -> None:
    """Serve until killed."""
    logging.getLogger("waitress").setLevel(logging.ERROR)
    # Its S3 alone: to find out which of 200 services is meant, moto lists its own files for each request.
    application = create_backend_app("s3")
    application.debug = False
    server = create_server(
        _with_raw_path(application),
        host="127.0.0.1",
        port=port,
        threads=_THREADS,
        connection_limit=_CONNECTIONS,
        asyncore_use_poll=True,
    )
    server.channel_class = _Channel
    server.run()


if __name__ == "__main__":
    main(int(sys.argv[1]))
