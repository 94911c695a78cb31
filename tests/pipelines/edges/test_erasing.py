"""Erasure on a real S3 endpoint, without Spark: whoever is erased is in no row of any table, and then in no file."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from conf import Settings
from pipelines.edges.audience import AudiencePointer, Snapshot
from pipelines.edges.erasing import erase, erased_digests, erasure_row, suppress, vacuum
from pipelines.edges.manifests import Manifest, ManifestStore
from pipelines.edges.objects import ObjectStore
from pipelines.edges.tables import Tables
from pipelines.errors import BusyTableError
from pipelines.suppression import pseudonym, suppressed_value
from schemas.tables import TABLES, table
from tests.builders import HOUR, NOW, Row, audience_row, change_row, hold_row, ledger_row, suppression_row

#: What is known of the customer who is erased, in any column of any table.
KNOWN = ("ann-17", "ann@example.org", "o-secret", "t-ann-17", "e-ann-17")
SAID = [{"gate": "not_cancelled", "passed": False, "value": "order.refunded e-ann-17 2026-03-01T09:00:00Z"}]


def cancellation(customer_id: str, value: str) -> Row:
    return {
        "campaign_id": "welcome",
        "customer_id": customer_id,
        "property": "order_id",
        "value": value,
        "event_type": "order.refunded",
        "event_id": f"e-{customer_id}",
        "occurred_at": NOW,
    }


def rows_of(name: str) -> list[Row]:
    """Two customers' rows of a table."""
    about = {"source_id": "t-ann-17", "data": '{"order_id": "o-secret"}', "detail": "no cake for ann-17"}
    made: dict[str, list[Row]] = {
        "audience": [audience_row("ann-17", email="ann@example.org"), audience_row("c-2")],
        "consents": [change_row("ann-17", event_id="e-ann-17"), change_row("c-2")],
        "suppressions": [
            suppression_row("address", "ann@example.org"),
            suppression_row(text="ann-17", event_id="e-ann-17"),
        ],
        "cancellations": [cancellation("ann-17", "o-secret"), cancellation("c-2", "o-2")],
        "ledger": [
            ledger_row(customer_id="ann-17", gates=SAID, **about),
            ledger_row(customer_id="ann-17", stage="render", gates=SAID, **about),
            ledger_row(
                customer_id="ann-17", source="run", gates=SAID, **(about | {"source_id": "2026-03-01"})
            ),
            ledger_row(customer_id="c-2", gates=SAID[:0], detail="no cake for c-2"),
        ],
        "holds": [
            hold_row("ann-17", customer_id="ann-17", source_id="t-ann-17", data='{"order_id": "o-secret"}'),
            hold_row("c-2", customer_id="c-2"),
        ],
    }
    return made[name]


@pytest.fixture
def tables(settings: Settings) -> Tables:
    """Every table of the lake, each with rows of both customers."""
    made = Tables(settings.lake)
    for one in TABLES:
        made.append(one, pa.Table.from_pylist(rows_of(one.name), one.arrow_schema()))
    AudiencePointer(ObjectStore(settings.lake)).promote(Snapshot(1, NOW.isoformat(), 2, "test"))
    return made


def everything(tables: Tables) -> dict[str, str]:
    """All rows of each table as text."""
    return {one.name: json.dumps(tables.query(one, "SELECT * FROM t"), default=str) for one in TABLES}


def test_nothing_is_left_of_whoever_is_erased(tables: Tables, settings: Settings) -> None:
    before = everything(tables)
    assert all("ann-17" in text for text in before.values())
    suppress(tables, [erasure_row("ann-17", NOW)], "test")
    objects, digests = ObjectStore(settings.lake), erased_digests(tables)
    removed = {"audience": 1, "consents": 1, "cancellations": 1, "holds": 1, "ledger": 3}
    assert erase(tables, objects, digests, NOW + HOUR) == (removed, False, [])
    after = everything(tables)
    assert [(name, known) for name, text in after.items() for known in KNOWN if known in text] == []
    assert all("c-2" in text for name, text in after.items() if name != "suppressions")
    rows: list[dict[str, Any]] = tables.query(table("ledger"), "SELECT * FROM t ORDER BY source, stage")
    theirs = [row for row in rows if row["customer_id"] == pseudonym("ann-17")]
    kept = [(row["message_id"], row["decision"], row["gates"], row["data"]) for row in theirs]
    assert kept == [("m-1", "sent", None, None)] * 3
    # The run's id is nobody's; the trigger's is told apart from others, and no longer told.
    assert next(row["source_id"] for row in theirs) == "2026-03-01"
    assert len({row["source_id"] for row in theirs}) == 2
    (other,) = [row for row in rows if row["customer_id"] == "c-2"]
    assert (other["source_id"], other["detail"], other["data"]) == ("t-1", "no cake for c-2", "{}")
    assert AudiencePointer(objects).read() == Snapshot(2, NOW.isoformat(), 1, "test")
    assert erase(tables, objects, digests, NOW + HOUR) == (dict.fromkeys(removed, 0), False, [])


def test_of_what_waits_it_is_recorded_that_it_is_not_sent(tables: Tables, settings: Settings) -> None:
    about = {"customer_id": "ann-17", "reason": "held_quiet_hours", "decision": "held", "due_at": NOW + HOUR}
    released = {**about, "decision": "sent", "reason": None, "decided_at": NOW + HOUR}
    repeated = {**released, "decision": "excluded", "reason": "duplicate_trigger"}
    rows = [
        ledger_row(decision_id="d-waits", message_id="m-waits", **about),
        ledger_row(decision_id="d-ends", message_id="m-ends", **about),
        ledger_row(decision_id="d-sent", message_id="m-ends", **released),
        ledger_row(decision_id="d-other", message_id="m-other", **{**about, "customer_id": "c-2"}),
        # The trigger came again: that is no news of the message, which still waits.
        ledger_row(decision_id="d-again", message_id="m-waits", **repeated),
    ]
    tables.append(table("ledger"), pa.Table.from_pylist(rows, table("ledger").arrow_schema()))
    suppress(tables, [erasure_row("ann-17", NOW)], "test")
    erase(tables, ObjectStore(settings.lake), erased_digests(tables), NOW + 2 * HOUR)
    told = tables.query(
        table("ledger"), "SELECT * FROM t WHERE message_id <> 'm-1' ORDER BY message_id, decided_at"
    )
    assert [(row["message_id"], row["decision"], row["reason"], row["due_at"] is None) for row in told] == [
        ("m-ends", "held", "held_quiet_hours", False),
        ("m-ends", "sent", None, False),
        ("m-other", "held", "held_quiet_hours", False),
        ("m-waits", "held", "held_quiet_hours", False),
        ("m-waits", "excluded", "duplicate_trigger", False),
        ("m-waits", "excluded", "suppressed", True),
    ]
    assert {row["customer_id"] for row in told} == {pseudonym("ann-17"), "c-2"}
    assert len({row["decision_id"] for row in told}) == len(told)


def test_earlier_versions_are_deleted_when_they_are_old_enough(tables: Tables, settings: Settings) -> None:
    objects = ObjectStore(settings.lake)
    suppress(tables, [erasure_row("ann-17", NOW)], "test")
    erase(tables, objects, erased_digests(tables), NOW + HOUR)
    names = [one.name for one in TABLES if one.name != "suppressions"]

    def files(name: str) -> list[str]:
        return [
            o.name
            for o in objects.list(f"{name}/")
            if o.name.endswith(".parquet") and "_delta_log" not in o.name
        ]

    # A week has not passed: the versions before the erasure can still be read.
    assert vacuum(tables) == 0
    assert {name: len(files(name)) for name in names} == dict.fromkeys(names, 2)
    # Of the suppressions both files were rewritten: the one that was there, and the one that records the erasure.
    assert vacuum(tables, hours=0) == len(names) + 2
    assert {name: len(files(name)) for name in names} == dict.fromkeys(names, 1)
    assert all(known not in text for text in everything(tables).values() for known in KNOWN)


def test_what_no_version_names_is_deleted_when_it_is_old_enough(tables: Tables, settings: Settings) -> None:
    """A file of a task that died, and one whose removal the log has forgotten."""
    objects, ledger = ObjectStore(settings.lake), table("ledger")
    objects.write("ledger/decided_date=2026-03-01/part-died.zstd.parquet", b"nobody's")
    (first,) = [one.name for one in objects.list("ledger/decided_date=2026-03-01/part-0")]
    tables.rewrite(ledger, lambda found: found.update({"locale": "'de'"}))
    found = tables.find(ledger)
    assert found is not None
    found.alter.set_table_properties({"delta.deletedFileRetentionDuration": "interval 0 seconds"})
    found.create_checkpoint()
    vacuum(tables, hours=0)
    left = [one.name for one in objects.list("ledger/decided_date=2026-03-01/")]
    assert len(left) == 1
    assert first not in left
    assert len(tables.query(ledger, "SELECT * FROM t")) == 4


def test_a_ledger_that_is_written_to_all_the_time_is_renamed_up_to_today(
    tables: Tables, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = table("ledger")
    asked: list[int] = []

    def look_and_write(*_: Any) -> list[str]:
        number = len(asked)
        asked.append(number)
        at = {"decided_at": NOW + 24 * HOUR, "decided_date": (NOW + 24 * HOUR).date()}
        row = ledger_row(decision_id=f"d-{number}", message_id=f"m-{number}", customer_id="ann-17", **at)
        tables.append(ledger, pa.Table.from_pylist([row], ledger.arrow_schema()))
        return []

    monkeypatch.setattr("pipelines.edges.erasing.units_under_way", look_and_write)
    objects, digests = ObjectStore(settings.lake), [suppressed_value("customer", "ann-17")]
    erased = erase(tables, objects, digests, NOW + 24 * HOUR)
    assert (erased.rows["ledger"], erased.leaves_today, erased.is_whole) == (3, True, False)
    names = tables.query(ledger, "SELECT DISTINCT decided_date FROM t WHERE customer_id = 'ann-17'")
    assert [row["decided_date"] for row in names] == [(NOW + 24 * HOUR).date()]
    monkeypatch.undo()
    assert erase(tables, objects, digests, NOW + 48 * HOUR) == (
        {"audience": 0, "consents": 0, "cancellations": 0, "holds": 0, "ledger": len(asked)},
        False,
        [],
    )


def test_others_who_always_come_first_are_named(tables: Tables) -> None:
    def change(found: DeltaTable) -> None:
        rival = tables.find(table("ledger"))
        assert rival is not None
        rival.update({"detail": "'rival'"})
        found.update({"locale": "'de'"})

    with pytest.raises(BusyTableError, match=r"'ledger' .* was written to by others each of the 2 times"):
        tables.rewrite(table("ledger"), change, attempts=2)


def test_a_rewriting_that_meets_another_one_begins_anew(tables: Tables) -> None:
    calls: list[int] = []

    def change(found: DeltaTable) -> int:
        calls.append(found.version())
        if len(calls) == 1:
            rival = tables.find(table("ledger"))
            assert rival is not None
            rival.update({"detail": "'rival'"})
        return int(found.update({"locale": "'de'"})["num_updated_rows"])

    assert tables.rewrite(table("ledger"), change) == 4
    assert len(calls) == 2
    rows = tables.query(table("ledger"), "SELECT DISTINCT detail, locale FROM t")
    assert rows == [{"detail": "rival", "locale": "de"}]


def test_decisions_of_a_unit_that_is_under_way_are_left_until_it_is_finished(
    tables: Tables, settings: Settings
) -> None:
    objects = ObjectStore(settings.lake)
    manifests, digests = ManifestStore(objects), [suppressed_value("customer", "ann-17")]
    for incarnation, clock in (("old", NOW - HOUR), ("new", NOW)):
        pinned = {**dict.fromkeys(f.name for f in fields(Manifest)), "clock": clock.isoformat(), "unit": 0}
        objects.write_json(f"manifests/triggered/{incarnation}/{0:012d}.json", pinned)
    left = erase(tables, objects, digests, NOW + HOUR)
    assert (left.rows["ledger"], left.is_whole, left.under_way) == (0, False, ["triggered"])
    manifests.finish("triggered/new", 0, {"state": "finished"})
    # The unit of the same number in another incarnation says nothing about this one.
    left = erase(tables, objects, digests, NOW + HOUR)
    assert (left.rows["ledger"], left.is_whole) == (3, True)
