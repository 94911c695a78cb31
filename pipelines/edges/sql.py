"""Values as literals of the SQL that tables are asked in."""

from __future__ import annotations

from datetime import datetime


def timestamp(at: datetime) -> str:
    """The moment as a literal of SQL."""
    return f"""arrow_cast({literal(at.isoformat())}, 'Timestamp(Microsecond, Some("UTC"))')"""


def literal(text: str) -> str:
    """The text as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"
