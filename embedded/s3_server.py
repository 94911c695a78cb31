"""The program behind S3Endpoint: `python -m embedded.s3_server PORT` serves moto's S3, threaded.

Invariant: requests on one connection are answered without the delay that Nagle's algorithm adds to small
replies.
"""

from __future__ import annotations

import logging
import sys

from moto.moto_server.werkzeug_app import MotoRequestHandler, create_backend_app
from werkzeug.serving import run_simple


class _Handler(MotoRequestHandler):  # type: ignore[misc]  # moto is not checked, so its classes are Any
    """Does not wait for acknowledgements, and writes no line per request."""

    disable_nagle_algorithm = True

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """A line for each of 100,000 requests hides the one that matters."""


def main(port: int) -> None:
    """Serve until killed."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    # Its S3 alone: to find out which of 200 services is meant, moto lists its own files for each request.
    application = create_backend_app("s3")
    application.debug = False
    run_simple("127.0.0.1", port, application, threaded=True, request_handler=_Handler)


if __name__ == "__main__":
    main(int(sys.argv[1]))
