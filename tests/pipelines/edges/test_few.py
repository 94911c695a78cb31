"""Sessions with settings of their own."""

from __future__ import annotations

from pyspark.sql import SparkSession

from pipelines.edges.few import session_like


def test_a_session_is_like_another_but_for_what_is_asked(spark: SparkSession) -> None:
    before = spark.conf.getAll
    other = session_like(spark, {"spark.sql.execution.arrow.maxRecordsPerBatch": "7"})
    assert other.conf.getAll == {**before, "spark.sql.execution.arrow.maxRecordsPerBatch": "7"}
    # The session of the tests is for few rows: a plain new session has not its settings.
    assert spark.newSession().conf.getAll != before
    assert spark.conf.getAll == before
