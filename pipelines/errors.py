"""Job problems that belong to no single module; row problems are data and never exceptions."""

from __future__ import annotations


class InputError(Exception):
    """What the user named does not exist or does not fit; the message says what, where, found, allowed and the mend."""


class ServerError(Exception):
    """A server did not answer as needed; the message says which and what to check."""
