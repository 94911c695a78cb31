"""The books: each number that is off is named, and only those."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pipelines.books import Books, ImbalanceError


def considered(campaign: str, channel: str | None, count: int) -> dict[str, Any]:
    return {"campaign_id": campaign, "channel": channel, "count": count}


def decision(campaign: str, channel: str | None, decision: str, count: int, **keys: Any) -> dict[str, Any]:
    row = {
        "stage": "decide",
        "campaign_id": campaign,
        "channel": channel,
        "decision": decision,
        "reason": None,
    }
    return {**row, "reason": None, "count": count, **keys}


def published(campaign: str, channel: str, messages: int) -> dict[str, Any]:
    return {"campaign_id": campaign, "channel": channel, "messages": messages}


def balanced() -> Books:
    books = Books()
    books.add_considered([considered("a", "email", 10), considered("a", "sms", 4), considered("b", None, 3)])
    books.add_decisions(
        [
            decision("a", "email", "sent", 7),
            decision("a", "email", "held", 1),
            decision("a", "email", "excluded", 2, reason="no_consent"),
            decision("a", "email", "failed", 2, reason="render_undefined", stage="render"),
            decision("a", "email", "excluded", 1, reason="aborted", stage="render"),
            decision("a", "sms", "sent", 4),
            decision("b", None, "excluded", 3, reason="unknown_campaign"),
        ]
    )
    books.add_published([published("a", "email", 3), published("a", "sms", 4), published("a", "email", 1)])
    return books


def test_balanced_books_say_where_everybody_is() -> None:
    books = balanced()
    books.check("triggered unit 1")
    empty = {"sent": 0, "held": 0, "excluded": {}, "failed": {}, "published": 0}
    assert books.to_dict() == {
        "a": {
            "email": {
                "considered": 10,
                "sent": 4,
                "held": 1,
                "excluded": {"aborted": 1, "no_consent": 2},
                "failed": {"render_undefined": 2},
                "published": 4,
            },
            "sms": {**empty, "considered": 4, "sent": 4, "published": 4},
        },
        "b": {"": {**empty, "considered": 3, "excluded": {"unknown_campaign": 3}}},
    }


def test_nothing_balances() -> None:
    Books().check("an epoch without records")


def lose_a_candidate(books: Books) -> None:
    books.add_considered([considered("a", "sms", 1)])


def double_a_decision(books: Books) -> None:
    books.add_decisions([decision("b", None, "excluded", 1, reason="unknown_campaign")])


def lose_a_message(books: Books) -> None:
    books.add_published([published("a", "email", -1)])


def publish_for_nobody(books: Books) -> None:
    books.add_published([published("c", "push", 2)])


def fail_somebody_never_sent(books: Books) -> None:
    books.add_decisions([decision("c", "push", "failed", 1, reason="render_type", stage="render")])


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lose_a_candidate, "a/sms: considered 5, decided 4"),
        (double_a_decision, "b/: considered 3, decided 4"),
        (lose_a_message, "a/email: sent 4, published 3"),
        (publish_for_nobody, "c/push: sent 0, published 2"),
        (fail_somebody_never_sent, "c/push: sent -1, published 0"),
    ],
)
def test_each_imbalance_is_named(spoil: Any, named: str) -> None:
    books = balanced()
    spoil(books)
    expected = rf"^the books of triggered unit 1 do not balance: {re.escape(named)}\. "
    with pytest.raises(ImbalanceError, match=expected):
        books.check("triggered unit 1")


def test_all_imbalances_are_named_at_once() -> None:
    books = balanced()
    lose_a_candidate(books)
    lose_a_message(books)
    with pytest.raises(ImbalanceError, match=r"a/email: sent 4, published 3; a/sms: considered 5, decided 4"):
        books.check("x")
