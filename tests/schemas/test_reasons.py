"""The closed set of reasons."""

from __future__ import annotations

import re

import pytest

from schemas import reasons
from schemas.reasons import DECISIONS, REASONS


def test_codes_are_unique_and_well_formed() -> None:
    assert len(set(reasons.REASON_CODES)) == len(REASONS)
    assert all(re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", code) for code in reasons.REASON_CODES)


def test_each_leads_to_one_outcome_and_says_what_it_means() -> None:
    for row in REASONS:
        assert row.decision in {*DECISIONS, reasons.DEAD_LETTER} - {"sent"}
        assert row.meaning.endswith(".")


def test_reasons_of_an_outcome_keep_their_order() -> None:
    assert reasons.codes_of("dead_letter")[0] == "too_large"
    excluded = reasons.codes_of("excluded")
    assert excluded.index("unknown_customer") < excluded.index("no_address") < excluded.index("no_consent")


def test_an_unknown_code_says_where_to_add_it() -> None:
    assert reasons.reason("no_consent").decision == "excluded"
    with pytest.raises(KeyError, match=r"schemas/reasons\.py"):
        reasons.reason("no_idea")
