"""The whole unit on a real broker and S3 endpoint: an epoch, its replay, and what changed in between."""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import datetime, timezone
from typing import Any

import pytest
from chispa import assert_df_equality
from confluent_kafka import Producer
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from conf import Settings
from examples.malformed import MALFORMED
from pipelines.errors import InputError
from pipelines.identity import uuid5
from schemas.tables import table
from tests.builders import (
    NOW,
    as_json,
    audience_row,
    consent,
    consent_event,
    event,
    event_campaign,
    frame,
    ledger_row,
    make_campaign,
    trigger,
)
from tests.killed import killed_at
from tests.pipelines.edges.workspace import EVENTS, TRIGGERS, Workspace, people

AT = "2026-03-01T09:00:00Z"
#: What is known only when it happens; compared apart.
AT_RUN_TIME = ("decided_at", "decided_date", "gates", "audience_version")


pytestmark = pytest.mark.usefixtures("fresh_topics")


@pytest.fixture
def workspace(spark: SparkSession, settings: Settings) -> Workspace:
    """An audience of three and two campaigns: welcome (explicit, email and sms), delivered (event, email)."""
    made = Workspace(spark, settings)
    deaf = audience_row("c-3", phone=None, consents=[consent("email", "reminders", False)])
    made.promote([*people("c-1", "c-2"), deaf])
    return made


def test_an_epoch_whole(spark: SparkSession, workspace: Workspace) -> None:
    welcome, delivered = workspace.publish(
        make_campaign({"sms/text.en.txt.j2": "Plan {{ trigger.data.plan }}"}),
        event_campaign("total > 10", channels=["email"]),
    )
    workspace.send(
        TRIGGERS,
        trigger("t-1"),
        trigger("t-1"),
        trigger("t-3", customer_id="c-3"),
        trigger("t-4", customer_id="nobody"),
        trigger("t-5", campaign_id="nothing"),
        trigger("t-6", expires_at=AT),
        trigger("t-7", customer_id="c-2", data={}),
    )
    workspace.send(
        EVENTS, event("e-1"), event("e-2", properties={"total": 9}), event("e-3", type="page.viewed")
    )
    results = workspace.run()
    rows = []

    def add(source_id: str, offset: int, channel: str | None, reason: str | None, **changes: object) -> None:
        row = ledger_row(
            source_id=source_id,
            channel=channel,
            decision="excluded" if reason else "sent",
            reason=reason,
            campaign_version=welcome,
            occurred_at=NOW.replace(minute=0),
            data='{"plan":"basic"}',
            priority=50,
            category="reminders",
        )
        row |= changes
        topic = TRIGGERS if row["source"] == "trigger" else EVENTS
        about = (row["campaign_id"], row["customer_id"], channel or "")
        row["decision_id"] = uuid5("triggered", f"{topic}/0/{offset}", *about)
        row["message_id"] = uuid5(row["campaign_id"], source_id, row["customer_id"], channel or "")
        rows.append(row)

    for channel in ("email", "sms"):
        add("t-1", 0, channel, None)
        add("t-1", 1, channel, "duplicate_trigger")
        add("t-4", 3, channel, "unknown_customer", customer_id="nobody", locale=None)
        add("t-6", 5, channel, "expired", expires_at=rows[0]["occurred_at"])
        add("t-7", 6, channel, None, customer_id="c-2", data="{}")
    add("t-3", 2, "email", "no_consent", customer_id="c-3")
    add("t-3", 2, "sms", "no_address", customer_id="c-3")
    unknown = {"campaign_version": None, "priority": None, "category": None}
    add("t-5", 4, None, "unknown_campaign", campaign_id="nothing", **unknown)
    fixed = {"source": "event", "campaign_id": "delivered", "campaign_version": delivered}
    add("e-1", 0, "email", None, **fixed, data='{"total":12.5}')
    undefined = next(row for row in rows if row["source_id"] == "t-7" and row["channel"] == "sms")
    rows.append(undefined | {"stage": "render", "decision": "failed", "reason": "render_undefined"})
    found = workspace.ledger().drop(*AT_RUN_TIME, "detail", "send_partition")
    expected = frame(spark, rows, table("ledger").schema()).drop(*AT_RUN_TIME, "detail", "send_partition")
    assert_df_equality(found, expected, ignore_row_order=True, ignore_nullable=True)
    assert workspace.ledger().select("decided_at", "decided_date", "audience_version").distinct().count() == 1
    workspace.check()
    assert [result["dead_letters"] for result in results] == [{}]
    batches = workspace.batches()
    assert {(b["campaign_id"], b["campaign_version"], b["unit"], b["pipeline"]) for b in batches} == {
        ("welcome", welcome, 0, "triggered"),
        ("delivered", delivered, 0, "triggered"),
    }


def test_dead_letters_are_the_originals_byte_for_byte(workspace: Workspace) -> None:
    workspace.publish(make_campaign())
    made = [(one.topic, one.make(number, AT)) for number, one in enumerate(MALFORMED)]
    made += [(TRIGGERS, b"\xff" * 3_000_000), (EVENTS, b'{"event_id":')]
    for topic, value in made:
        workspace.send(topic, value, key=b"\xfe key")
    (result,) = workspace.run()
    letters = workspace.letters()
    assert Counter((dict(r.headers())["source_topic"].decode(), r.value()) for r in letters) == Counter(made)
    assert {record.key() for record in letters} == {b"\xfe key"}
    assert sum(result["dead_letters"].values()) == len(made)
    places = {
        tuple(dict(r.headers())[f"source_{n}"] for n in ("topic", "partition", "offset")) for r in letters
    }
    assert len(places) == len(made)
    names = ["source_topic", "source_partition", "source_offset", "source_timestamp_ms", "stage", "reason"]
    for record in letters:
        assert [name for name, _ in record.headers()] == [*names, "detail", "dead_lettered_by"]
    assert workspace.ledger().isEmpty()
    workspace.forget_commit(0)
    workspace.run()
    assert len(workspace.letters()) == len(made)


@pytest.mark.parametrize("part", ["value", "key"])
def test_a_record_that_no_letter_can_hold_stops_nothing(workspace: Workspace, part: str) -> None:
    """Compressed it is a small batch to the broker; librdkafka counts what it is when it is not compressed."""
    workspace.publish(make_campaign(channels=["sms"]))
    noise = as_json(trigger("t-1", data={"noise": "compressible " * 800_000}))
    record = {"key": b"c-1", "value": b'{"trigger_id":'} | {part: noise}
    producer = Producer(
        {
            **workspace.settings.kafka.librdkafka(),
            "message.max.bytes": 20_000_000,
            "compression.type": "zstd",
        }
    )
    producer.produce(TRIGGERS, partition=0, **record)
    assert producer.flush(30.0) == 0
    workspace.send(TRIGGERS, trigger("t-2"))
    (result,) = workspace.run()
    assert result["dead_letters"] == {"too_large" if part == "value" else "not_json": 1}
    (letter,) = workspace.letters()
    assert {"key": letter.key(), "value": letter.value()} == record | {part: None}
    headers = {name: value.decode() for name, value in letter.headers()}
    assert [headers[f"source_{name}"] for name in ("topic", "partition", "offset")] == [TRIGGERS, "0", "0"]
    assert {name: headers[name] for name in headers if name.endswith(("_bytes", "_sha256"))} == {
        f"source_{part}_bytes": str(len(noise)),
        f"source_{part}_sha256": hashlib.sha256(noise).hexdigest(),
    }
    assert workspace.decisions() == Counter([("t-2", "welcome", "c-1", "sms", "decide", "sent", None)])
    workspace.check()


def test_a_replayed_epoch_publishes_nothing_again_whatever_changed_meanwhile(workspace: Workspace) -> None:
    (first,) = workspace.publish(make_campaign())
    version = workspace.promote(people("c-1", "c-2"))
    workspace.send(TRIGGERS, trigger("t-1"), trigger("t-2", customer_id="c-2"), b"noise")
    (before,) = workspace.run()
    ledger, batches = workspace.ledger().collect(), workspace.batches()
    assert len(ledger) == 4
    workspace.forget_commit(0)
    # Between the crash and the restart: nobody is left, and the campaign says something else.
    workspace.promote(people("c-9"))
    workspace.publish(make_campaign({"sms/text.en.txt.j2": "Something else"}, status="paused"))
    (after,) = workspace.run()
    assert after == before
    assert sorted(map(str, workspace.ledger().collect())) == sorted(map(str, ledger))
    assert sorted(map(str, workspace.batches())) == sorted(map(str, batches))
    assert len(workspace.letters()) == 1
    assert {(row.audience_version, row.campaign_version) for row in ledger} == {(version, first)}
    workspace.check()


def test_what_was_decided_and_not_published_is_published_with_the_pinned_versions(
    workspace: Workspace,
) -> None:
    (first,) = workspace.publish(make_campaign(channels=["sms"]))
    workspace.send(TRIGGERS, trigger("t-1"), trigger("t-2", customer_id="c-2"))
    with killed_at("pipelines.units.UnitRunner.publish"):
        workspace.run()
    assert workspace.messages() == Counter()
    assert workspace.ledger().count() == 2
    workspace.promote([audience_row("c-1", first_name="Somebody", phone="+12025550199")])
    workspace.publish(make_campaign({"sms/text.en.txt.j2": "Something else"}, channels=["sms"]))
    workspace.run()
    texts = {(m["customer_id"], m["to"], m["text"]) for b in workspace.batches() for m in b["messages"]}
    assert texts == {(who, "+12025550101", "Hi Ann") for who in ("c-1", "c-2")}
    assert {batch["campaign_version"] for batch in workspace.batches()} == {first}
    workspace.check()


def test_epochs_follow_each_other(workspace: Workspace) -> None:
    (first,) = workspace.publish(make_campaign(channels=["sms"]))
    workspace.send(TRIGGERS, trigger("t-1"))
    workspace.run()
    (second,) = workspace.publish(make_campaign({"sms/text.en.txt.j2": "Anew"}, channels=["sms"]))
    workspace.send(TRIGGERS, trigger("t-1"), trigger("t-2"))
    # Two epochs of one record each: the duplicate, then what the new version of the campaign says.
    results = workspace.run(max_offsets_per_epoch=1)
    assert [result["unit"] for result in results] == [1, 2]
    assert workspace.decisions() == Counter(
        [
            ("t-1", "welcome", "c-1", "sms", "decide", "sent", None),
            ("t-1", "welcome", "c-1", "sms", "decide", "excluded", "duplicate_trigger"),
            ("t-2", "welcome", "c-1", "sms", "decide", "sent", None),
        ]
    )
    said = {(b["campaign_version"], m["text"]) for b in workspace.batches() for m in b["messages"]}
    assert said == {(first, "Hi Ann"), (second, "Anew")}
    workspace.check()
    assert workspace.run() == []


def test_a_withdrawal_counts_for_the_triggers_of_its_own_epoch_and_for_later_ones(
    workspace: Workspace,
) -> None:
    workspace.publish(make_campaign(channels=["email"]))
    workspace.send(TRIGGERS, trigger("t-1"), trigger("t-2", customer_id="c-2"))
    workspace.send(EVENTS, consent_event("e-1", occurred_at="2026-03-02T09:00:00Z"))
    workspace.run()
    workspace.send(TRIGGERS, trigger("t-3"))
    workspace.run()
    again = {"properties": consent("email", "reminders", True), "occurred_at": "2026-03-03T09:00:00Z"}
    workspace.send(EVENTS, consent_event("e-2", **again))
    workspace.send(TRIGGERS, trigger("t-4"))
    workspace.run()
    assert workspace.decisions() == Counter(
        [
            ("t-1", "welcome", "c-1", "email", "decide", "excluded", "no_consent"),
            ("t-2", "welcome", "c-2", "email", "decide", "sent", None),
            ("t-3", "welcome", "c-1", "email", "decide", "excluded", "no_consent"),
            ("t-4", "welcome", "c-1", "email", "decide", "sent", None),
        ]
    )
    workspace.forget_commit(2)
    workspace.run()
    assert workspace.rows("consents").count() == 2
    workspace.check()


def test_a_word_from_the_future_does_not_outlast_what_comes_after_it(workspace: Workspace) -> None:
    workspace.publish(make_campaign(channels=["email"]))
    granted = {"properties": consent("email", "reminders", True), "occurred_at": "2999-01-01T00:00:00Z"}
    workspace.send(EVENTS, consent_event("e-1", **granted))
    workspace.run()
    workspace.send(EVENTS, consent_event("e-2", occurred_at=datetime.now(timezone.utc).isoformat()))
    workspace.send(TRIGGERS, trigger("t-1"), trigger("t-2", customer_id="c-2"))
    workspace.run()
    assert workspace.decisions() == Counter(
        [
            ("t-1", "welcome", "c-1", "email", "decide", "excluded", "no_consent"),
            ("t-2", "welcome", "c-2", "email", "decide", "sent", None),
        ]
    )


def test_a_trigger_that_comes_again_sends_nothing_on_a_channel_that_is_new(workspace: Workspace) -> None:
    workspace.publish(make_campaign(channels=["email"]))
    workspace.send(TRIGGERS, trigger("t-1"))
    workspace.run()
    workspace.publish(make_campaign(channels=["email", "sms"]))
    workspace.send(TRIGGERS, trigger("t-1"), trigger("t-2"))
    workspace.run()
    again = "excluded", "duplicate_trigger"
    assert workspace.decisions() == Counter(
        [
            ("t-1", "welcome", "c-1", "email", "decide", "sent", None),
            ("t-1", "welcome", "c-1", "email", "decide", *again),
            ("t-1", "welcome", "c-1", "sms", "decide", *again),
            ("t-2", "welcome", "c-1", "email", "decide", "sent", None),
            ("t-2", "welcome", "c-1", "sms", "decide", "sent", None),
        ]
    )
    workspace.check()


def test_what_a_producer_took_back_never_happened(workspace: Workspace) -> None:
    workspace.publish(make_campaign(channels=["email"]))
    producer = Producer({**workspace.settings.kafka.librdkafka(), "transactional.id": uuid5("shop")})
    producer.init_transactions(30.0)
    for name, end in (("t-1", producer.abort_transaction), ("t-2", producer.commit_transaction)):
        producer.begin_transaction()
        producer.produce(TRIGGERS, value=as_json(trigger(name)), key=b"c-1", partition=0)
        assert producer.flush(30.0) == 0
        end(30.0)
    workspace.send(TRIGGERS, trigger("t-3"))
    workspace.run()
    sent = [(name, "welcome", "c-1", "email", "decide", "sent", None) for name in ("t-2", "t-3")]
    assert workspace.decisions() == Counter(sent)
    workspace.check()


def test_a_campaign_with_a_broken_condition_is_named(workspace: Workspace) -> None:
    workspace.publish(event_campaign("total >"))
    workspace.send(EVENTS, event())
    with pytest.raises(InputError, match=r"campaign 'delivered' trigger\.when"):
        workspace.run()
    # The mend is picked up: the epoch had not pinned the broken version.
    workspace.publish(event_campaign("total > 1", channels=["sms"]))
    workspace.run()
    assert workspace.decisions() == Counter([("e-1", "delivered", "c-1", "sms", "decide", "sent", None)])
    workspace.check()


def test_a_clock_far_away_breaks_nobody(workspace: Workspace) -> None:
    workspace.publish(make_campaign({"sms/text.en.txt.j2": "{{ trigger.occurred_at }}"}, channels=["sms"]))
    times = ("0002-01-01T00:00:00Z", "9998-12-31T23:59:59Z", "1582-10-10T00:00:00Z")
    workspace.send(TRIGGERS, *[trigger(f"t-{n}", occurred_at=at) for n, at in enumerate(times)])
    workspace.run()
    assert workspace.ledger().where(F.col("decision") == "sent").count() == 3
    workspace.check()


def test_a_cancelling_rule_that_spark_refuses_is_named_before_it_is_pinned(workspace: Workspace) -> None:
    data = {"order_id": "string", "reason": "string"}
    rule: dict[str, Any] = {"event": "order.delivered", "delay": "2 days"}
    broken = rule | {"cancel_on": [{"event": "order.refunded", "when": "size(reason) > 0"}]}
    workspace.publish(event_campaign(None, trigger=broken, data=data, channels=["sms"]))
    workspace.send(EVENTS, event(type="order.refunded"))
    with pytest.raises(InputError, match=r"campaign 'delivered' trigger\.cancel_on\[0\]\.when"):
        workspace.run()
    workspace.publish(event_campaign(None, trigger=rule, data=data, channels=["sms"]))
    workspace.run()


def test_only_candidates_of_capped_campaigns_wait_for_a_turn(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    caps = [{"at_most": 1, "per": "7 days"}]
    capped = make_campaign(campaign_id="capped", channels=["sms"], frequency_caps=caps)
    workspace.publish(capped, make_campaign(channels=["sms"]))

    def refuse(_: object) -> None:
        raise InputError("waits for its turn")

    monkeypatch.setattr("pipelines.edges.turns.Turns.take", refuse)
    workspace.send(TRIGGERS, trigger("t-1"))
    workspace.run()
    assert workspace.messages().total() == 1
    workspace.send(TRIGGERS, trigger("t-2", campaign_id="capped"))
    with pytest.raises(InputError, match="waits for its turn"):
        workspace.run()
