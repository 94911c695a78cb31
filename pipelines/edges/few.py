"""A session for few rows: an epoch's queries are run as they are, and not compiled first.

Invariant: only how Spark runs a query differs, never what comes out. Spark compiles the code of each stage of a query
(200 classes an epoch, 20 s of a core, most of them new each time because the epoch's clock is a constant in them),
which pays from some 100,000 rows on; and it plans joins and shuffles anew while they run.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import SparkSession

_SETTINGS = {
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.shuffle.partitions": "2",
}


def session_for_few(spark: SparkSession) -> SparkSession:
    """A session like this one, for few rows."""
    return session_like(spark, _SETTINGS)


def session_like(spark: SparkSession, settings: Mapping[str, str]) -> SparkSession:
    """Another session of the same application: as this one is now, but for these settings."""
    session = spark.newSession()
    inherited = session.conf.getAll
    own = {name: value for name, value in spark.conf.getAll.items() if inherited.get(name) != value}
    for name, value in {**own, **settings}.items():
        session.conf.set(name, value)
    return session
