"""The types a campaign may declare for its data: those of `schemas.ddl` that JSON can carry without surprise.

`canonical_ddl` of every accepted text is accepted by Spark and means the same type. Does not convert values.
"""

from __future__ import annotations

import pyarrow as pa

from schemas import ddl

#: Refused in campaign data, with the way out.
_REFUSED = {
    "binary": "JSON has no binary values; declare a string",
    "float": "a float shows rounding noise in text (12.1 as 12.100000381); declare double or decimal(p,s)",
}
_DEPTH_MAX = 16


def parse_type(text: str) -> pa.DataType:
    """The Arrow type of a declared type; raises `schemas.ddl.DdlError`."""
    if text.count("<") > _DEPTH_MAX:
        raise ddl.DdlError(f"more than {_DEPTH_MAX} nested types")
    node = ddl.parse(text)
    _refuse(node)
    return ddl.arrow_type(node)


def canonical_ddl(text: str) -> str:
    """The same type in one spelling, with field names quoted."""
    return _spell(ddl.parse(text))


def _refuse(node: ddl.DdlType) -> None:
    if isinstance(node, ddl.Scalar) and node.word in _REFUSED:
        raise ddl.DdlError(f"'{node.word}': {_REFUSED[node.word]}")
    if isinstance(node, ddl.Array):
        _refuse(node.element)
    if isinstance(node, ddl.Struct):
        if len({name.lower() for name, _ in node.fields}) != len(node.fields):
            raise ddl.DdlError("a struct names one field twice (Spark ignores case)")
        for _, inner in node.fields:
            _refuse(inner)


def _spell(node: ddl.DdlType) -> str:
    if isinstance(node, ddl.Scalar):
        return "BIGINT" if node.word == "long" else node.word.upper()
    if isinstance(node, ddl.Decimal):
        return f"DECIMAL({node.precision},{node.scale})"
    if isinstance(node, ddl.Array):
        return f"ARRAY<{_spell(node.element)}>"
    return f"STRUCT<{', '.join(f'`{name}`: {_spell(inner)}' for name, inner in node.fields)}>"
