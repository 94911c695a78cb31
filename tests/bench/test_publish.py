"""What the bench of publishing computes without servers: sizes of audiences, ratios, a report that outlives a stop."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.mailing import consents_to_reminders, customers_for
from bench.publish import parse_arguments
from bench.report import Report
from bench.sides import ratios


@pytest.mark.parametrize(("channel", "said_no"), [("email", 0), ("sms", 2)])
@pytest.mark.parametrize("messages", [1, 2, 3, 8, 9, 10, 5_000, 20_000, 400_000])
def test_an_audience_has_exactly_so_many_who_consented(channel: str, said_no: int, messages: int) -> None:
    customers = customers_for(messages, channel)

    assert sum(number % 10 != said_no for number in range(customers)) == messages


def test_who_is_triggered_consents_to_reminders() -> None:
    assert [number for number in range(20) if not consents_to_reminders(number)] == [1, 11]


def test_a_ratio_is_of_the_medians_and_above_one_when_carillon_is_faster() -> None:
    sink = {"spark_sink_none": [40.0, 80.0], "spark_sink_lz4": [10.0, 90.0]}
    rates = {"run": [20.0, 40.0], "publish": [50.0, 70.0], "naive": [10.0, 10.0], **sink}

    assert ratios("sms", rates) == {
        "sms_run_vs_naive": 3.0,
        "sms_publish_vs_spark_sink": 1.0,
        "sms_run_vs_spark_sink": 0.5,
    }


def test_a_report_keeps_what_was_measured_before(tmp_path: Path) -> None:
    file = tmp_path / "publish.json"
    Report(file, "one").add("ratios", {"email_run_vs_naive": 9.0})
    Report(file, "two").add("ratios", {"sms_run_vs_naive": 8.5})

    found = json.loads(file.read_text(encoding="utf-8"))
    assert found["ratios"] == {"email_run_vs_naive": 9.0, "sms_run_vs_naive": 8.5}
    assert found["command"] == "two"
    assert found["machine"]["cores"]


def test_the_sizes_of_the_issue_are_the_defaults() -> None:
    options = parse_arguments([])

    assert (options.emails, options.sms, options.customers) == (400_000, 2_000_000, 1_000_000)
    assert (options.triggers_per_s, options.memory) == (200, "200000,2000000")
