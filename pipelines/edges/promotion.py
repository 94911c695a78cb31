"""The next audience snapshot: written as a new Delta version, tried against its expectations, then promoted or left.

Invariant: nobody reads a version that failed, because readers follow the pointer and the pointer is written last.
The report of a failure counts; it never shows a customer's value.
"""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import DataFrame, SparkSession

from conf import Settings
from pipelines.edges.audience import AudiencePointer, Snapshot
from pipelines.edges.failures import whole_text
from pipelines.edges.lake import DeltaLake
from pipelines.edges.objects import ObjectStore
from pipelines.errors import InputError
from pipelines.snapshot import AUDIENCE, RefusedError, build_snapshot
from pipelines.suppression import SUPPRESSIONS
from schemas.expectations import AUDIENCE_EXPECTATIONS, Expectation, row_count_expectation

#: Results list customers' values unless told otherwise, and these go to logs.
_COUNTS_ONLY = {"result_format": "BASIC", "partial_unexpected_count": 0}

#: Spark's and Hadoop's words for a file that is no Parquet, a scheme that nobody serves, and a URI without a bucket.
_NO_PARQUET = re.compile(
    r"\[(FAILED_READ_FILE[\w.]*)\][^\n]*?while reading file (\S+?)\.?\s"
    r'|(No FileSystem for scheme "?[\w.+-]+"?)|(bucket is null/empty)'
)


@dataclass(frozen=True)
class Verdict:
    """What one expectation found: its name and column, and how many values did not comply."""

    name: str
    is_met: bool
    observed: str
    why: str


def build_audience(
    spark: SparkSession, settings: Settings, extract_uri: str, as_of: str, accept_row_count: bool
) -> Snapshot:
    """Build, try and promote; returns the promoted snapshot.

    Raises `InputError` when the extract cannot be read, `RefusedError` when it does not fit or fails."""
    pointer = AudiencePointer(ObjectStore(settings.lake))
    previous = pointer.find()
    lake = DeltaLake(spark, settings.lake)
    erased = lake.read(SUPPRESSIONS) if lake.version(SUPPRESSIONS) >= 0 else None
    rows = build_snapshot(_read_extract(spark, extract_uri), erased)
    # Importing Great Expectations takes 3 s of Python, which waits for the JVM while the snapshot is written.
    with ThreadPoolExecutor(max_workers=1) as beside:
        beside.submit(_load_great_expectations)
        try:
            lake.replace(AUDIENCE, rows)
        except (PySparkException, Py4JJavaError) as error:
            raise _explain_unreadable(extract_uri, error) from None
    version = lake.version(AUDIENCE)
    snapshot = lake.read(AUDIENCE, version)
    known_rows = None if previous is None or accept_row_count else previous.rows
    verdicts = evaluate(snapshot, (*AUDIENCE_EXPECTATIONS, row_count_expectation(known_rows)))
    failed = [verdict for verdict in verdicts if not verdict.is_met]
    if failed:
        raise RefusedError(_explain(failed, version, previous))
    promoted = Snapshot(version=version, as_of=as_of, rows=snapshot.count(), source=extract_uri)
    pointer.promote(promoted)
    return promoted


def evaluate(rows: DataFrame, expectations: tuple[Expectation, ...]) -> list[Verdict]:
    """Try each expectation with Great Expectations on Spark; counts only, no values. Grain: one per expectation."""
    gx, classes = _load_great_expectations()
    # It caches what it is given, so it is given the columns that it asks about.
    rows = rows.select(*sorted({e.arguments["column"] for e in expectations if "column" in e.arguments}))
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_spark("lake").add_dataframe_asset("audience")
    batch = asset.add_batch_definition_whole_dataframe("snapshot")
    suite = context.suites.add(gx.ExpectationSuite(name="audience"))
    why = {}
    for expectation in expectations:
        added = suite.add_expectation(getattr(classes, expectation.kind)(**expectation.arguments))
        why[added.id] = expectation.why
    definition = context.validation_definitions.add(
        gx.ValidationDefinition(name="audience", data=batch, suite=suite)
    )
    outcome = definition.run(batch_parameters={"dataframe": rows}, result_format=_COUNTS_ONLY)
    return [_to_verdict(result, why[result.expectation_config.id]) for result in outcome.results]


def _load_great_expectations() -> tuple[Any, Any]:
    """The package and its expectations, imported here because no other job should pay for them."""
    # Set before the import: nothing about a run leaves the cluster.
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx
    from great_expectations import expectations as classes

    return gx, classes


def _to_verdict(result: Any, why: str) -> Verdict:
    config, found = result.expectation_config, result.result
    column = config.kwargs.get("column")
    name = f"{config.type}({column})" if column else config.type
    if result.exception_info.get("raised_exception"):
        observed = "could not be tried"
    elif "unexpected_count" in found:
        observed = f"{found['unexpected_count']} of {found['element_count']} values do not comply"
    else:
        observed = f"found {found.get('observed_value')}, expected {_bounds(config.kwargs)}"
    return Verdict(name, bool(result.success), observed, why)


def _bounds(arguments: dict[str, Any]) -> str:
    low, high = arguments.get("min_value"), arguments.get("max_value")
    return f"at least {low}" if high is None else f"{low} to {high}"


def _read_extract(spark: SparkSession, uri: str) -> DataFrame:
    try:
        return spark.read.parquet(uri)
    except AnalysisException as error:
        raise _unreadable(uri, error.getCondition() or str(error)) from None
    except (PySparkException, Py4JJavaError) as error:
        raise _explain_unreadable(uri, error) from None


def _explain_unreadable(uri: str, error: Exception) -> Exception:
    """The line for an extract that is no Parquet, or lies where Spark reads nothing; any other error as it is."""
    found = _NO_PARQUET.search(whole_text(error))
    return error if found is None else _unreadable(uri, " ".join(filter(None, found.groups())))


def _unreadable(uri: str, why: str) -> InputError:
    return InputError(
        f"the extract '{uri}' cannot be read as Parquet: {why}. "
        "Name a folder of Parquet files with --extract s3a://BUCKET/FOLDER."
    )


def _explain(failed: list[Verdict], version: int, previous: Snapshot | None) -> str:
    faults = "; ".join(f"{verdict.name}: {verdict.observed} ({verdict.why})" for verdict in failed)
    kept = f"version {previous.version} stays in force" if previous else "no snapshot is in force"
    return (
        f"audience version {version} is not promoted: {faults}. {kept}. Mend the extract and build again"
        "; if the number of rows is meant, add --accept-row-count."
    )
