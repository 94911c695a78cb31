"""A session for few rows: an epoch's queries are run as they are, and not compiled first.

Invariant: only how Spark runs a query differs, never what comes out. Spark compiles the code of each stage of a query
(200 classes an epoch, 20 s of a core, most of them new each time because the epoch's clock is a constant in them),
which pays from some 100,000 rows on; and it plans joins and shuffles anew while they run.
"""

from __future__ import annotations

from pyspark.sql import SparkSession

_SETTINGS = {
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.shuffle.partitions": "2",
}


def session_for_few(spark: SparkSession) -> SparkSession:
    """Another session of the same application, with settings of its own."""
    session = spark.newSession()
    for name, value in _SETTINGS.items():
        session.conf.set(name, value)
    return session
