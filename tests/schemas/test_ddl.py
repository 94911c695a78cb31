"""The type parser: what it accepts, what it says about the rest, and that Spark's own parser agrees."""

from __future__ import annotations

import contextlib

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession
from pyspark.sql import types as t

from schemas import ddl
from schemas.ddl import DdlError
from schemas.tables import TABLES


def test_nested_types() -> None:
    text = "array<struct<gate string, passed: boolean, at timestamp, sum decimal(12,2)>>"
    assert ddl.spark_type(text) == t.ArrayType(
        t.StructType(
            [
                t.StructField("gate", t.StringType()),
                t.StructField("passed", t.BooleanType()),
                t.StructField("at", t.TimestampType()),
                t.StructField("sum", t.DecimalType(12, 2)),
            ]
        )
    )
    assert ddl.arrow_type(text) == pa.list_(
        pa.field(
            "element",
            pa.struct(
                {
                    "gate": pa.string(),
                    "passed": pa.bool_(),
                    "at": pa.timestamp("us", "UTC"),
                    "sum": pa.decimal128(12, 2),
                }
            ),
        )
    )


def test_list_elements_are_named_as_spark_names_them() -> None:
    # Equality of Arrow list types ignores this name; casts to and from Parquet do not.
    assert ddl.arrow_type("array<int>").value_field.name == "element"


@pytest.mark.parametrize("word", ddl.SCALARS)
def test_each_word(word: str) -> None:
    assert ddl.spark_type(word.upper()) == ddl.spark_type(word)
    ddl.arrow_type(word)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("strng", "unknown type 'strng' in 'strng'. Did you mean 'string'?"),
        ("map<string,string>", "unknown type 'map'"),
        ("", "ends too early"),
        ("array", "expected '<'"),
        ("array<string", "expected '>'"),
        ("array<string>>", "'>' is left over"),
        ("string int", "'int' is left over"),
        ("decimal", "expected decimal(PRECISION,SCALE)"),
        ("decimal(39,2)", "precision is 1 to 38"),
        ("decimal(2,3)", "scale at most"),
        ("struct<>", "expected a field name"),
        ("struct<a>", "unknown type '>'"),
        ("struct<a string, a int>", "field 'a' stands twice"),
        ("string;", "';' does not belong"),
    ],
)
def test_what_it_says_about_mistakes(text: str, expected: str) -> None:
    with pytest.raises(DdlError) as caught:
        ddl.parse(text)
    assert expected in str(caught.value)


scalars = st.sampled_from(sorted(ddl.SCALARS)) | st.builds(
    "decimal({},{})".format, st.integers(9, 38), st.integers(0, 9)
)
names = st.from_regex(r"\A[a-z][a-z0-9_]{0,8}\Z").map(lambda name: f"f_{name}")
any_type = st.recursive(
    scalars,
    lambda inner: (
        inner.map(lambda element: f"array<{element}>")
        | st.dictionaries(names, inner, min_size=1, max_size=4).map(
            lambda fields: f"struct<{', '.join(f'{name} {field}' for name, field in fields.items())}>"
        )
    ),
    max_leaves=8,
)


@given(any_type)
@settings(deadline=None, max_examples=200)
def test_spark_and_arrow_types_correspond(text: str) -> None:
    from pyspark.sql.pandas.types import from_arrow_type

    assert from_arrow_type(ddl.arrow_type(text)) == ddl.spark_type(text)


@given(st.text(alphabet="abstrucint<>(),: 019_é", max_size=40))
@settings(deadline=None)
def test_any_text_is_parsed_or_refused(text: str) -> None:
    with contextlib.suppress(DdlError):
        ddl.parse(text)


def test_spark_agrees(spark: SparkSession) -> None:
    texts = [column.type for table in TABLES for column in table.columns]
    for text in texts:
        parsed = spark.createDataFrame([], f"c {text}").schema["c"].dataType
        assert parsed == ddl.spark_type(text)
