"""Which holds are due: what SQL finds in the table is what plain Python says of its rows."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from conf import Settings
from pipelines.edges.due import DueHolds, Look, forget_closed
from pipelines.edges.tables import Tables
from pipelines.holds import HOLDS, Paused
from tests.builders import NOW, Row, closing_row, hold_row

OWNER = "triggered-holds"
HOUR = timedelta(hours=1)
PAUSED = Paused(["run-letter-1", "run-letter-2"], {"offer": "v-1", "notice": None})


@pytest.fixture
def tables(settings: Settings) -> Tables:
    return Tables(settings.lake)


def some_holds(seed: int) -> list[Row]:
    """Of three days, of everything that is told apart; a third of them closed."""
    draw = random.Random(seed)
    opened = [
        hold_row(
            f"h-{number}",
            NOW + draw.randint(-30, 6) * HOUR,
            owner=draw.choice([OWNER, OWNER, "other-holds"]),
            source=draw.choice(["run", "run", "event"]),
            source_id=draw.choice(["1", "2", "3"]),
            run=draw.choice([None, "run-letter-1.make-up", "run-letter-1"]),
            campaign_id=draw.choice(["letter", "offer", "notice", "it's"]),
            campaign_version=draw.choice(["v-1", "v-2", None]),
            priority=draw.choice([None, 10, 50]),
            channel=draw.choice(["sms", "email"]),
            customer_id=f"c-{draw.randint(1, 3)}",
        )
        for number in range(60)
    ]
    for row in opened:
        if row["source"] != "run":
            row["run"] = None
    return [*opened, *(closing_row(row) for row in draw.sample(opened, 20))]


def run_of(row: Row) -> str | None:
    if row["source"] != "run":
        return None
    return row["run"] or f"run-{row['campaign_id']}-{row['source_id']}"


def is_kept_back(row: Row) -> bool:
    campaign, version = row["campaign_id"], PAUSED.campaigns.get(row["campaign_id"])
    is_paused = campaign in PAUSED.campaigns and version in (None, row["campaign_version"])
    return row["source"] == "run" and (run_of(row) in PAUSED.runs or is_paused)


def open_by(rows: list[Row], moment: datetime) -> list[Row]:
    closed = {row["hold_id"] for row in rows if row["state"] == "closed"}
    opened = [row for row in rows if row["state"] == "open" and row["hold_id"] not in closed]
    return [row for row in opened if row["owner"] == OWNER and row["due_at"] <= moment]


def place(row: Row) -> tuple[object, ...]:
    is_urgent, priority = row["campaign_id"] == "it's", row["priority"]
    first = (not is_urgent, priority is None, -(priority or 0), row["due_at"], row["campaign_id"])
    return (*first, row["source"], row["source_id"], row["customer_id"])


def write(tables: Tables, rows: list[Row]) -> int:
    for start in range(0, len(rows), 16):  # in several files
        tables.append(HOLDS, pa.Table.from_pylist(rows[start : start + 16], HOLDS.arrow_schema()))
    return tables.version(HOLDS)


@pytest.mark.usefixtures("servers")
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_is_due_is_what_python_says(tables: Tables, seed: int) -> None:
    rows, due = some_holds(seed), DueHolds(tables, OWNER)
    version = write(tables, rows)
    write(tables, [hold_row("h-later", NOW - 40 * HOUR)])  # of a later version
    waiting = open_by(rows, NOW)
    free = [row for row in waiting if not is_kept_back(row)]
    assert min(len(free), len(waiting) - len(free)) > 3
    expected = Look(min(row["due_at"] for row in free), True)
    assert due.look(version, NOW, PAUSED) == expected
    assert due.look(version, NOW - 100 * HOUR, PAUSED) == Look(None, False)
    assert due.look(version, NOW, Paused()) == Look(min(row["due_at"] for row in waiting), False)
    places = sorted({place(row) for row in free})
    for most in (0, 1, 3, len(places), 99):
        found = due.select(version, NOW, most, PAUSED, ["it's"]).sort_by("hold_id").to_pylist()
        wanted = [{**row, "run": run_of(row)} for row in free if place(row) in places[:most]]
        assert found == sorted(wanted, key=lambda row: str(row["hold_id"]))


@pytest.mark.usefixtures("servers")
def test_a_table_of_an_older_version_names_the_first_run(tables: Tables, settings: Settings) -> None:
    later = {"reason", "run", "campaign_version"}
    older = pa.schema([field for field in HOLDS.arrow_schema() if field.name not in later])
    held = pa.Table.from_pylist([hold_row(source="run", source_id="7")], older)
    where, options = settings.lake.delta_uri("holds"), settings.lake.object_store()
    write_deltalake(where, held, partition_by=list(HOLDS.partition_by), storage_options=options)
    due = DueHolds(tables, OWNER)
    assert due.look(0, NOW, Paused(["run-letter-7"])) == Look(None, True)
    (found,) = due.select(0, NOW, 1, Paused(), []).to_pylist()
    assert (found["run"], found["reason"]) == ("run-letter-7", None)


@pytest.mark.usefixtures("servers")
def test_only_what_is_closed_and_past_is_forgotten(tables: Tables) -> None:
    rows = some_holds(4)
    write(tables, rows)
    until = NOW.date()
    tables.rewrite(HOLDS, lambda found: forget_closed(found, until))
    closed = {row["hold_id"] for row in rows if row["state"] == "closed"}
    gone = [row for row in rows if row["hold_id"] in closed and row["due_date"] < until]
    assert gone
    opened = tables.find(HOLDS)
    assert opened is not None
    left = opened.to_pyarrow_table(columns=["hold_id", "state"]).to_pylist()
    kept = [(row["hold_id"], row["state"]) for row in rows if row not in gone]
    assert sorted((row["hold_id"], row["state"]) for row in left) == sorted(kept)
    before = opened.version()
    tables.rewrite(HOLDS, lambda found: forget_closed(found, until))
    assert tables.version(HOLDS) == before
