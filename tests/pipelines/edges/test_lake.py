"""An append happens once, whether its repetition comes later or at the same moment."""

from __future__ import annotations

import threading

import pytest
from pyspark.sql import SparkSession

from conf import Settings
from pipelines.edges.lake import DeltaLake
from schemas.tables import table
from tests.builders import frame, ledger_row

LEDGER = table("ledger")


@pytest.mark.integration
def test_two_drivers_that_record_one_unit_at_the_same_time_record_it_once(
    spark: SparkSession, settings: Settings
) -> None:
    lake = DeltaLake(spark, settings.lake)
    lake.ensure(LEDGER)
    failures: list[BaseException] = []
    gate = threading.Barrier(2)

    def record(unit: int) -> None:
        rows = frame(spark, [ledger_row(unit=unit)], LEDGER.schema())
        gate.wait(60.0)
        try:
            lake.append_once(LEDGER, rows, "run-x/run/decide", unit)
        except BaseException as error:
            failures.append(error)

    for unit in range(4):
        drivers = [threading.Thread(target=record, args=(unit,)) for _ in range(2)]
        for driver in drivers:
            driver.start()
        for driver in drivers:
            driver.join()
    assert failures == []
    assert sorted(row.unit for row in lake.read(LEDGER).collect()) == [0, 1, 2, 3]
    assert lake.appended(LEDGER) == {"run-x/run/decide/ledger": 3}
