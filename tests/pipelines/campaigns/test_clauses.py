"""Predicates taken apart where their author has written AND."""

from __future__ import annotations

import pytest

from pipelines.campaigns.clauses import clauses

CASES = (
    ("true", ["true"]),
    ("a = 1 AND b = 2", ["a = 1", "b = 2"]),
    ("a = 1\n  and\tb = 2 And c", ["a = 1", "b = 2", "c"]),
    ("NOT a AND NOT b", ["NOT a", "NOT b"]),
    ("a BETWEEN 1 AND 2 AND b", ["a BETWEEN 1 AND 2", "b"]),
    ("a NOT BETWEEN 1 AND 2 AND b BETWEEN 3 AND 4", ["a NOT BETWEEN 1 AND 2", "b BETWEEN 3 AND 4"]),
    ("(a AND b) AND c", ["(a AND b)", "c"]),
    ("exists(o, x -> x.t > 1 AND x.u) AND c", ["exists(o, x -> x.t > 1 AND x.u)", "c"]),
    ("CASE WHEN a AND b THEN c ELSE d END AND e", ["CASE WHEN a AND b THEN c ELSE d END", "e"]),
    ("a = 'x AND y' AND b = \"p AND q\"", ["a = 'x AND y'", 'b = "p AND q"']),
    ("a = '(' AND b", ["a = '('", "b"]),
    ("`AND` = 1 AND `case` = 2", ["`AND` = 1", "`case` = 2"]),
    ("s[0] = 'a' AND m['AND'] = 1", ["s[0] = 'a'", "m['AND'] = 1"]),
    # The outermost word is OR.
    ("a AND b OR c", ["a AND b OR c"]),
    ("a OR b AND c", ["a OR b AND c"]),
    ("a AND (b OR c)", ["a", "(b OR c)"]),
    # Not SQL; another check tells that.
    ("a = 'open", ["a = 'open"]),
)


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_clauses(text: str, expected: list[str]) -> None:
    assert list(clauses(text)) == expected
