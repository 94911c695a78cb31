"""The error that a user of the embedded servers may meet; its message says what to do."""

from __future__ import annotations


class EmbeddedError(RuntimeError):
    """A server or its jars cannot be had on this machine; the message says why in one line."""
