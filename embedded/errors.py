"""The error that a user of the embedded servers may meet, and what the system says of a file; both say what to do or
where to look in one line."""

from __future__ import annotations

import errno


class EmbeddedError(RuntimeError):
    """A server or its jars cannot be had on this machine; the message says why in one line."""


def file_problem(error: OSError) -> str | None:
    """`FILE: reason` when the system refuses a file or a folder, or has no room for one; None for anything else."""
    if error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    # Writing to an open file names none, nor does the search for a temporary folder.
    return error.strerror if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.ENOENT) else None
