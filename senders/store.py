"""What a sender remembers in its output directory: ids, positions, counts and file sizes, in one SQLite file.

Invariant: everything one chunk of records changed is committed together or not at all, after its messages
were delivered. So a crash loses no message, and a channel that can be rewound to the remembered sizes repeats
none. It holds no addresses and no bodies. One process at a time; a crash of the machine may lose the last
chunks.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from senders.errors import SenderError

FILE_NAME = "sender-state.sqlite3"

_TABLES = """
CREATE TABLE IF NOT EXISTS seen (message_id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS positions (
    topic_id TEXT, partition INTEGER, next_offset INTEGER NOT NULL, PRIMARY KEY (topic_id, partition)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counts (
    channel TEXT, campaign_id TEXT, name TEXT, number INTEGER NOT NULL,
    PRIMARY KEY (channel, campaign_id, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sizes (file TEXT PRIMARY KEY, bytes INTEGER NOT NULL) WITHOUT ROWID;
"""

CountKey = tuple[str, str, str]  # channel, campaign_id, name of the count


class Store:
    """The state of one output directory."""

    def __init__(self, directory: Path) -> None:
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(directory / FILE_NAME, isolation_level=None, timeout=0)
            self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = NORMAL")
            self._database.executescript(_TABLES)
        except sqlite3.OperationalError as problem:
            if "locked" in str(problem):
                raise SenderError(
                    f"{directory}: another sender writes here. Stop it, or choose another --out."
                ) from None
            raise SenderError(f"{directory}: cannot keep the sender's state here: {problem}") from None
        except OSError as problem:
            raise SenderError(
                f"{directory}: cannot write here: {problem.strerror}. Choose another --out."
            ) from None

    def close(self) -> None:
        """Release the directory."""
        self._database.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what is remembered inside, or nothing of it when an exception leaves the block."""
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    def seen(self, message_ids: Iterable[str]) -> set[str]:
        """Those of the ids that were delivered before."""
        asked = json.dumps(list(message_ids))
        # CROSS JOIN fixes the order: look each id up in `seen`, never scan it.
        query = "SELECT message_id FROM json_each(?) CROSS JOIN seen ON message_id = json_each.value"
        return {row[0] for row in self._database.execute(query, (asked,))}

    def remember(self, message_ids: Iterable[str]) -> None:
        """The ids are delivered."""
        # Sorted keys touch each page of the tree once.
        rows = [(message_id,) for message_id in sorted(message_ids)]
        self._database.executemany("INSERT INTO seen VALUES (?)", rows)

    def positions(self) -> dict[tuple[str, int], int]:
        """The next offset to count for each (topic id, partition).

        Kafka's topic id and not the name: a topic made anew, here or elsewhere, starts at offset 0 again.
        """
        rows = self._database.execute("SELECT topic_id, partition, next_offset FROM positions")
        return {(row[0], row[1]): row[2] for row in rows}

    def advance(self, positions: Mapping[tuple[str, int], int]) -> None:
        """Everything below these offsets is counted."""
        rows = [(*place, offset) for place, offset in positions.items()]
        self._database.executemany("INSERT OR REPLACE INTO positions VALUES (?, ?, ?)", rows)

    def counts(self) -> Counter[CountKey]:
        """All counts since the directory was made."""
        rows = self._database.execute("SELECT channel, campaign_id, name, number FROM counts")
        return Counter({(row[0], row[1], row[2]): row[3] for row in rows})

    def add(self, counts: Mapping[CountKey, int]) -> None:
        """Add to the counts."""
        statement = (
            "INSERT INTO counts VALUES (?, ?, ?, ?) "
            "ON CONFLICT (channel, campaign_id, name) DO UPDATE SET number = number + excluded.number"
        )
        self._database.executemany(statement, [(*key, number) for key, number in counts.items()])

    def sizes(self) -> dict[str, int]:
        """How much of each growing file belongs to committed chunks."""
        return dict(self._database.execute("SELECT file, bytes FROM sizes").fetchall())

    def set_sizes(self, sizes: Mapping[str, int]) -> None:
        """The growing files' sizes with this chunk."""
        self._database.executemany("INSERT OR REPLACE INTO sizes VALUES (?, ?)", list(sizes.items()))
