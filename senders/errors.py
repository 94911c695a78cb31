"""The one exception of the senders that ends a run: a message for whoever started it.

It carries its whole text as the only argument, so it unpickles anywhere. Bad records never raise it.
"""

from __future__ import annotations


class SenderError(Exception):
    """The sender cannot go on: no broker, no topic, or an output directory it may not use."""
