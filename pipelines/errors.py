"""Job problems that belong to no single module; row problems are data and never exceptions."""

from __future__ import annotations


class InputError(Exception):
    """What the user named does not exist or does not fit; the message says what, where, found, allowed and the mend."""


#: What to say of a file that a table names and that is not there.
FILE_GONE = (
    "a data file of the lake is gone: {0}. Restore it and start again; if it belongs to the audience, build a new "
    "snapshot with `./spark-submit.sh build_audience`."
)


class ServerError(Exception):
    """A server did not answer as needed; the message says which and what to check."""
