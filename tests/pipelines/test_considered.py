"""Whom a run considers: all or the members, on each channel or on their own, by the ids that Spark would give them."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from pyspark.sql import SparkSession

from pipelines.considered import MEMBERS, Considered, RunScope
from pipelines.identity import uuid5
from pipelines.match import CANDIDATE_COLUMNS
from schemas.tables import table
from tests.builders import CANDIDATE_SCHEMA, NOW, arrow, audience_row, frame, scheduled_campaign

AUDIENCE = table("audience")
PEOPLE = [audience_row("c-1"), audience_row("c-2", locale="de"), audience_row("c-3")]


def scope(*channels: str) -> RunScope:
    campaign = scheduled_campaign(channels=list(channels))
    return RunScope.of(campaign, "digest-1", "r-1", "run-letter-r-1", NOW, 2)


def considered(of: RunScope, members: list[tuple[Any, ...]] | None) -> list[tuple[Any, ...]]:
    customers = pa.Table.from_pylist(PEOPLE, AUDIENCE.arrow_schema())
    given = None
    if members is not None:
        given = pa.Table.from_pylist([dict(zip(MEMBERS.names, row, strict=True)) for row in members], MEMBERS)
    found = of.candidates(customers, given)
    return [
        (row["customer_id"], row["channel"], (row["customer"] or {}).get("locale"), row["outside_of"])
        for row in found.to_pylist()
    ]


def test_everybody_on_each_channel() -> None:
    assert considered(scope("email"), None) == [
        ("c-1", "email", "en", None),
        ("c-2", "email", "de", None),
        ("c-3", "email", "en", None),
    ]
    assert sorted(considered(scope("push", "sms"), None)) == [
        (who, channel, locale, None)
        for who, locale in (("c-1", "en"), ("c-2", "de"), ("c-3", "en"))
        for channel in ("push", "sms")
    ]


def test_members_alone_and_those_who_have_left_the_snapshot() -> None:
    assert considered(scope("email"), []) == []
    members = [("c-3", None, "country = 'CH'"), ("c-2", None, None)]
    assert considered(scope("email"), members) == [
        ("c-3", "email", "en", "country = 'CH'"),
        ("c-2", "email", "de", None),
    ]
    planned = [("c-2", "sms", None), ("c-2", "push", None), ("c-9", "email", None)]
    assert considered(scope("email", "sms", "push"), planned) == [
        ("c-2", "sms", "de", None),
        ("c-2", "push", "de", None),
        ("c-9", "email", None, None),
    ]


def test_candidates_whole() -> None:
    customers = pa.Table.from_pylist(PEOPLE, AUDIENCE.arrow_schema())
    found = scope("sms").candidates(customers, None)
    assert set(found.column_names) == {*CANDIDATE_COLUMNS, "customer", "outside_of"} - {"policy"}
    # The types are those of an epoch's candidates, which come from Spark.
    for field in arrow([], CANDIDATE_SCHEMA).drop_columns(["policy"]).schema:
        assert found.schema.field(field.name).type == field.type, field.name
    first = found.drop_columns(["customer", "outside_of"]).to_pylist()[1]
    assert first == {
        "decision_id": uuid5("run-letter-r-1", "run", "letter", "c-2", "sms"),
        "message_id": uuid5("letter", "r-1", "c-2", "sms"),
        "source": "run",
        "source_id": "r-1",
        "campaign_id": "letter",
        "campaign_version": "digest-1",
        "campaign_status": "active",
        "consent_topic": "marketing",
        "channel": "sms",
        "customer_id": "c-2",
        "send_partition": 0,
        "occurred_at": NOW,
        "expires_at": None,
        "data": "{}",
        "origin": "run",
    }
    assert found["customer"][1].as_py()["email"] == "c-2@example.org"


def test_candidates_are_counted_by_channel_before_anybody_is_decided_about(spark: SparkSession) -> None:
    snapshot = frame(spark, PEOPLE, AUDIENCE.schema())
    both = scope("email", "sms")

    def counts(members: list[tuple[Any, ...]] | None) -> dict[str, int]:
        rows = (
            None
            if members is None
            else spark.createDataFrame(members, ", ".join(f"{n} string" for n in MEMBERS.names))
        )
        return {row["channel"]: row["count"] for row in Considered(both, snapshot, rows).counts()}

    assert counts(None) == {"email": 3, "sms": 3}
    assert counts([("c-1", None, None), ("c-2", None, "x")]) == {"email": 2, "sms": 2}
    assert counts([("c-1", "sms", None), ("c-9", "sms", None), ("c-1", "email", None)]) == {
        "email": 1,
        "sms": 2,
    }
