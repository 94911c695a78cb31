"""The second row of the ledger for a message that did not render."""

from __future__ import annotations

from chispa import assert_df_equality
from pyspark.sql import SparkSession

from pipelines.corrections import render_failures
from schemas.tables import table
from tests.builders import frame, ledger_row

LEDGER = table("ledger").schema()


def test_render_failures_whole(spark: SparkSession) -> None:
    sent = [ledger_row(decision_id=f"d-{n}", message_id=f"m-{n}") for n in range(3)]
    failures = spark.createDataFrame(
        [("m-0", "failed", "render_undefined", "line 1"), ("m-2", "excluded", "aborted", "not today")],
        "message_id string, outcome string, reason string, detail string",
    )
    expected = [
        {**sent[0], "decision": "failed", "reason": "render_undefined", "detail": "line 1"},
        {**sent[2], "decision": "excluded", "reason": "aborted", "detail": "not today"},
    ]
    whole = frame(spark, [row | {"stage": "render"} for row in expected], LEDGER)
    found = render_failures(frame(spark, sent, LEDGER), failures)
    assert_df_equality(found, whole, ignore_row_order=True, ignore_nullable=True)
