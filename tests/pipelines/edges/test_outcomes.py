"""How what was considered has ended: a message that waited counts once."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest

from conf import Settings
from pipelines.edges.outcomes import count_campaign, count_run
from pipelines.edges.tables import Tables
from pipelines.stories import count_reasons
from schemas.tables import table
from tests.builders import NOW, Row, ledger_row

LEDGER = table("ledger")


@pytest.fixture
def tables(settings: Settings) -> Tables:
    return Tables(settings.lake)


def decided(message: int, decision: str, reason: str | None = None, hours: int = 0, **keys: Any) -> Row:
    own = {"pipeline": "run-letter-7", "source": "run", "source_id": "7", "campaign_id": "letter"}
    if hours:
        own["pipeline"] = "triggered-releases"
    at = NOW + timedelta(hours=hours)
    number = {"decision_id": f"d-{message}-{hours}-{decision}", "message_id": f"m-{message}"}
    return ledger_row(**{**own, **number, "decision": decision, "reason": reason, "decided_at": at, **keys})


def ends(counted: list[dict[str, Any]]) -> Counter[tuple[str, str | None]]:
    found: Counter[tuple[str, str | None]] = Counter()
    for line in count_reasons(counted):
        found[line["decision"], line["reason"]] += line["count"]
    return found


def test_what_waited_counts_as_it_ended(tables: Tables) -> None:
    quiet = "held_quiet_hours"
    rows = [
        decided(1, "sent"),
        *[decided(number, "held", quiet) for number in (2, 3, 4, 5, 6)],
        decided(2, "sent", hours=9),
        decided(3, "excluded", "no_consent", hours=9),
        decided(4, "held", "held_window", hours=9),  # fell due, and must wait again
        decided(5, "held", quiet, hours=9),
        decided(5, "sent", hours=19),
        decided(6, "excluded", "duplicate_trigger", hours=1),  # no news of what waits
        decided(2, "failed", "render_error", hours=9, stage="render"),
        # The same in another run, in its make-up run, and for another campaign: not asked for.
        decided(7, "sent", pipeline="run-letter-7.make-up"),
        decided(8, "sent", pipeline="run-letter-8", source_id="8"),
        decided(9, "sent", hours=9, campaign_id="other"),
    ]
    tables.append(LEDGER, pa.Table.from_pylist(rows, LEDGER.arrow_schema()))
    of_run = {
        ("sent", None): 2,
        ("held", None): 2,
        ("excluded", "no_consent"): 1,
        ("excluded", "duplicate_trigger"): 1,
        ("failed", "render_error"): 1,
    }
    assert ends(count_run(tables, "letter/7")) == of_run
    assert ends(count_campaign(tables, "letter")) == {**of_run, ("sent", None): 4}
    assert ends(count_run(tables, "triggered-releases"))["sent", None] == 2
    assert count_run(tables, "letter/9") == []


def test_what_a_make_up_run_has_held_counts_for_it(tables: Tables) -> None:
    first, again = "run-letter-7", "run-letter-7.make-up"
    rows = [
        decided(1, "sent", run=first),
        decided(2, "held", "held_rate", run=first),
        decided(2, "sent", hours=1, run=first),
        decided(1, "held", "held_rate", hours=20, pipeline=again, run=again),
        decided(2, "held", "held_rate", hours=20, pipeline=again, run=again),
        decided(2, "excluded", "no_consent", hours=30, run=again),
    ]
    tables.append(LEDGER, pa.Table.from_pylist(rows, LEDGER.arrow_schema()))
    assert ends(count_run(tables, "letter/7")) == {("sent", None): 2}
    assert ends(count_run(tables, "letter/7.make-up")) == {
        ("held", None): 1,
        ("excluded", "no_consent"): 1,
    }
