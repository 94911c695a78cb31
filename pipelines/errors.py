"""Job problems that belong to no single module; row problems are data and never exceptions."""

from __future__ import annotations

import re


class InputError(Exception):
    """What the user named does not exist or does not fit; the message says what, where, found, allowed and the mend."""


#: What to say of a file that a table names and that is not there.
FILE_GONE = (
    "a data file of the lake is gone: {0}. Restore it and start again; if it belongs to the audience, build a new "
    "snapshot with `./spark-submit.sh build_audience`."
)


class ServerError(Exception):
    """A server did not answer as needed; the message says which and what to check."""


class BusyTableError(ServerError):
    """Others have committed to a table first, again and again."""


#: What to say of a table that could not be changed for that reason.
BUSY = (
    "was written to by others each of the {} times that it was to be changed. What was changed before stays changed: "
    "start again, best while little is sent."
)

#: delta-rs colours its errors and breaks their lines, whether anybody looks at a terminal or not.
_ADORNED = re.compile(r"\x1b\[[0-9;]*m|↳")


def one_line(error: Exception, most: int = 300) -> str:
    """What the error says, for a message of one line: so many characters at most."""
    return " ".join(_ADORNED.sub(" ", str(error)).split())[:most]
