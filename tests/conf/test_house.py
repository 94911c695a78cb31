"""The rules of the house, and the texts in which lengths of time and times of day are written."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

import conf
from conf import Decide, HouseCap
from conf.spans import minute_of_day, period_seconds, span_seconds


def test_a_house_has_no_rules_by_default() -> None:
    decide = conf.load("local", environ={}).decide
    assert decide == Decide()
    assert (decide.quiet_from, decide.frequency_caps, decide.holdout_percent) == (None, (), 0.0)


def test_rules_come_from_the_environment_too() -> None:
    variables = {"CARILLON_DECIDE__QUIET_FROM": "22:00", "CARILLON_DECIDE__QUIET_TO": "08:00"}
    decide = conf.load("local", environ=variables | {"CARILLON_DECIDE__HOLDOUT_PERCENT": "2.5"}).decide
    assert (decide.quiet_from, decide.quiet_to, decide.holdout_percent) == ("22:00", "08:00", 2.5)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"quiet_from": "22:00"}, "both quiet_from and quiet_to"),
        ({"quiet_from": "22:00", "quiet_to": "22:00"}, "the same time"),
        ({"quiet_from": 1320, "quiet_to": "08:00"}, 'in quotes: "22:00"'),
        ({"quiet_from": "22:00", "quiet_to": "24:00"}, "'24:00' is no time of day"),
        ({"holdout_percent": 100}, "less than or equal to 99.99"),
        ({"holdout_percent": -1}, "greater than or equal to 0"),
        ({"frequency_caps": [{"at_most": 0, "per": "day"}]}, "greater than or equal to 1"),
        ({"frequency_caps": [{"at_most": 1, "per": "7dayz"}]}, "is no length of time"),
        ({"frequency_caps": [{"at_most": 1, "per": "day", "chanel": "sms"}]}, "chanel"),
    ],
)
def test_a_wrong_rule_is_refused(given: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Decide.model_validate(given)
    assert told in str(caught.value)


def test_caps_of_the_house() -> None:
    rule = {"at_most": 3, "per": "7 days", "channel": "sms", "category": "marketing"}
    assert Decide.model_validate({"frequency_caps": [rule]}).frequency_caps == (
        HouseCap.model_validate(rule),
    )


def test_texts_of_time() -> None:
    assert [span_seconds(text) for text in ("1 second", "90 minutes", "366 days")] == [1, 5_400, 31_622_400]
    assert [minute_of_day(text) for text in ("00:00", "08:30", "23:59")] == [0, 510, 1_439]
    assert [period_seconds(text) for text in ("day", "week", "month", "7 days")] == [
        None,
        None,
        None,
        604_800,
    ]
    for wrong in ("", "1", "days", "1.5 days", "-1 days", "01 days", "367 days", "1 month", "2  days"):
        with pytest.raises(ValueError, match=r"length of time|longer than"):
            span_seconds(wrong)
    for odd in ("", "8:30", "24:00", "12:60", "12:00:00", None, True, 5000):
        with pytest.raises(ValueError, match="time of day"):
            minute_of_day(odd)
