"""Who is outside an audience rule, and by which of its clauses.

Invariant: membership is what the whole rule says, exactly as where outsiders are not recorded; the clause only
explains it. Null is outside, as in a WHERE.
"""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from pipelines.campaigns.clauses import clauses


def outside_of(rule: str) -> Column:
    """The first clause that does not hold for the row; null for a member. The rule was checked before."""
    failed = [F.when(~_holds(clause), F.lit(clause)) for clause in clauses(rule)]
    return F.when(~_holds(rule), F.coalesce(*failed, F.lit(rule)))


def _holds(predicate: str) -> Column:
    return F.coalesce(F.expr(predicate), F.lit(False))
