"""The one exception of configuration: a message for the person who wrote the setting.

It carries its whole text as the only argument, so it unpickles on executors. It never contains a secret's
value.
"""

from __future__ import annotations


class ConfError(Exception):
    """A setting is wrong, missing or unknown; the text says where, what was found and how to fix it."""
