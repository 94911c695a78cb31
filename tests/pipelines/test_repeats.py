"""A message is decided once: repeats in an epoch and in later ones, and the replay that is none."""

from __future__ import annotations

from chispa import assert_df_equality
from pyspark.sql import SparkSession

from pipelines.repeats import mark_repeats
from schemas.tables import table
from tests.builders import CANDIDATE_SCHEMA, candidate_row, frame, ledger_row

LEDGER = table("ledger").schema()


def test_the_first_of_a_message_is_no_repeat_and_all_others_are(spark: SparkSession) -> None:
    #: decision, message, origin, whether it repeats; m-old and m-held were decided in earlier units.
    cases = (
        ("d-1", "m-new", "campaign.triggers/0/1", False),
        ("d-2", "m-new", "campaign.triggers/0/2", True),
        ("d-3", "m-new", "campaign.triggers/1/1", True),
        ("d-4", "m-other", "campaign.triggers/0/3", False),
        ("d-5", "m-old", "campaign.triggers/0/4", True),
        ("d-6", "m-old", "campaign.triggers/0/5", True),
        ("d-7", "m-excluded-before", "campaign.triggers/0/6", True),
    )
    earlier = [
        ledger_row(message_id="m-old"),
        ledger_row(message_id="m-old", stage="render", decision="failed", reason="render_undefined"),
        ledger_row(message_id="m-excluded-before", decision="excluded", reason="no_consent"),
        ledger_row(message_id="m-unrelated"),
        ledger_row(message_id=None),
    ]
    rows = [candidate_row(decision_id=d, message_id=m, origin=o) for d, m, o, _ in cases]
    expected = [{**row, "is_repeated": case[3]} for row, case in zip(rows, cases, strict=True)]
    schema = f"{CANDIDATE_SCHEMA}, is_repeated boolean"
    found = mark_repeats(frame(spark, rows, CANDIDATE_SCHEMA), frame(spark, earlier, LEDGER))
    assert_df_equality(
        found.select(*frame(spark, [], schema).columns),
        frame(spark, expected, schema),
        ignore_row_order=True,
        ignore_nullable=True,
    )
    assert sorted(found.columns) == sorted(frame(spark, [], schema).columns)


def test_a_replay_with_the_pinned_ledger_does_not_meet_itself(spark: SparkSession) -> None:
    rows = frame(spark, [candidate_row()], CANDIDATE_SCHEMA)
    pinned, newest = frame(spark, [], LEDGER), frame(spark, [ledger_row()], LEDGER)
    assert [row.is_repeated for row in mark_repeats(rows, pinned).collect()] == [False]
    assert [row.is_repeated for row in mark_repeats(rows, newest).collect()] == [True]
