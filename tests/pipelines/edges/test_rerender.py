"""Messages rendered again, and recalled: against what is on the topics, and after retention has been at work."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from typing import Any

import pytest
from pyspark.sql import SparkSession
from typer.testing import CliRunner

from conf import Settings
from console.main import make_app
from pipelines.edges.makeup import make_up
from pipelines.edges.rerender import rerender
from pipelines.edges.scheduled import run_campaign
from pipelines.errors import InputError
from pipelines.runs import MAKE_UP, run_pipeline
from schemas.channels import CHANNELS
from schemas.messages import Recall
from schemas.tables import table
from tests.builders import (
    NOW,
    TEMPLATES,
    audience_row,
    consent,
    event,
    event_campaign,
    make_campaign,
    scheduled_campaign,
    trigger,
)
from tests.pipelines.edges.conftest import SetClock
from tests.pipelines.edges.workspace import EVENTS, TRIGGERS, Workspace, people
from tests.topics import read_committed

pytestmark = pytest.mark.usefixtures("fresh_topics")
RICH = {
    "email/html.en.html.j2": "<p>{{ customer.first_name }}, {{ customer.lifetime_value }}, {{ customer.signup_at }}</p>"
    "{% for s in customer.segments %}<i>{{ s }}</i>{% endfor %}<a href='{{ unsubscribe_url() }}'>x</a>",
}


@pytest.fixture
def workspace(spark: SparkSession, settings: Settings) -> Workspace:
    made = Workspace(spark, settings)
    withdrawn = audience_row("c-3", consents=[consent("sms", "marketing", True)])
    made.promote([*people("c-1", "c-2", first_name="Zoë <&> \u2028"), withdrawn])
    return made


def records(workspace: Workspace) -> list[Any]:
    client = workspace.settings.kafka.librdkafka()
    return [record for channel in CHANNELS for record in read_committed(client, channel.topic)]


def carillon(environment: dict[str, str], *arguments: str) -> bytes:
    done = CliRunner(env=environment).invoke(make_app(), arguments)
    if done.exception is not None:
        raise done.exception
    return done.stdout_bytes


def test_every_message_is_rendered_again_byte_for_byte(
    workspace: Workspace, environment: dict[str, str]
) -> None:
    workspace.publish(
        scheduled_campaign(channels=["email", "sms", "push"]), make_campaign(RICH, channels=["email"])
    )
    workspace.send(TRIGGERS, trigger("t-1"), trigger("t-2", customer_id="c-2"))
    workspace.run()
    run_campaign(workspace.spark, workspace.settings, "letter", workspace.run_id)
    # What is in force now is not what they were made of.
    workspace.publish(
        scheduled_campaign(channels=["sms"]), make_campaign({"email/subject.en.txt.j2": "Other"})
    )
    workspace.promote(people("c-1", "c-2", first_name="Other"))
    count = 0
    for record in records(workspace):
        value = record.value()
        ids = [message["message_id"] for message in json.loads(value)["messages"]]
        head, found, _ = value.partition(b'"messages":[')
        again = b",".join(rerender(workspace.settings, one) for one in ids)
        assert head + found + again + b"]}" == value
        count += len(ids)
    assert count == 2 + 3 + 2 + 2
    whole = carillon(environment, "rerender", ids[0])
    assert whole == rerender(workspace.settings, ids[0])
    assert carillon(environment, "rerender", ids[0], "--part", "body") == b"Body"
    with pytest.raises(InputError, match=r"has no part 'html'\. Parts: .*title, body"):
        carillon(environment, "rerender", ids[0], "--part", "html")
    # c-3 did not consent to email: known, and never sent.
    refused = workspace.ledger().where("reason = 'no_consent'").first()
    assert refused is not None
    with pytest.raises(InputError, match="was never sent: excluded, no_consent"):
        rerender(workspace.settings, refused.message_id)


def bodies(workspace: Workspace, version: str) -> list[tuple[str, bytes]]:
    """Message id and bytes of each message of a campaign version, as it stands in its batch: one a batch."""
    values = [record.value() for record in records(workspace) if version.encode() in record.value()]
    found = [(json.loads(value)["messages"], value.partition(b'"messages":[')[2]) for value in values]
    assert all(len(messages) == 1 for messages, _ in found)
    return [(messages[0]["message_id"], value.removesuffix(b"]}")) for messages, value in found]


def test_what_waited_and_what_was_sent_again_is_rendered_as_it_was_each_time(
    workspace: Workspace, environment: dict[str, str], at: SetClock
) -> None:
    """And after an erasure nobody can render it."""
    settings = workspace.settings
    rule = {"event": "order.delivered", "delay": "2 days"}
    waiting, letter = workspace.publish(
        event_campaign(trigger=rule, channels=["sms"]),
        scheduled_campaign("customer_id = 'c-2'", channels=["sms"]),
    )
    at(NOW)
    workspace.send(EVENTS, event("e-1", customer_id="c-1"))
    workspace.run()
    # The snapshot of the release is not that of the epoch which held it, nor that of now.
    workspace.promote(people("c-1", "c-2", first_name="Zora"))
    at(NOW + timedelta(days=3))
    workspace.run()
    run_campaign(workspace.spark, settings, "letter", workspace.run_id)
    workspace.promote(people("c-1", "c-2", first_name="Other"))
    make_up(workspace.spark, settings, f"letter/{workspace.run_id}")
    ((released, body),) = bodies(workspace, waiting)
    assert b"Zora" in body
    assert rerender(settings, released) == body
    (first, body), (again, other) = sorted(bodies(workspace, letter), key=lambda one: b"Other" in one[1])
    assert (first, b"Zora" in body, b"Other" in other) == (again, True, True)
    pipeline = run_pipeline("letter", workspace.run_id)
    assert rerender(settings, first, pipeline) == body
    assert rerender(settings, first) == rerender(settings, first, f"{pipeline}{MAKE_UP}") == other
    carillon(environment, "erase", "--customer", "c-1")
    with pytest.raises(InputError, match="an erasure removes customers from all versions"):
        rerender(settings, released)


def test_what_retention_has_removed_is_named(workspace: Workspace) -> None:
    (version,) = workspace.publish(scheduled_campaign(channels=["sms"]))
    run_campaign(workspace.spark, workspace.settings, "letter", workspace.run_id)
    (message_id, *_) = workspace.messages()
    bundle = f"campaigns/bundles/{version}.json"
    content = workspace.objects.read(bundle) or b""
    workspace.objects.delete(bundle)
    with pytest.raises(
        InputError, match=f"cannot be rendered again: campaign version {version} is not in the lake"
    ):
        rerender(workspace.settings, message_id)
    workspace.objects.write(bundle, content)
    assert rerender(workspace.settings, message_id)
    with pytest.raises(InputError, match=r"the ledger has no message m-0: .*retention \(400 days\)"):
        rerender(workspace.settings, "m-0")
    for item in workspace.objects.list(f"{table('audience').name}/"):
        if item.name.endswith(".parquet"):
            workspace.objects.delete(item.name)
    with pytest.raises(InputError, match=r"version \d+ of the audience, .* retention has removed it"):
        rerender(workspace.settings, message_id)


def test_links_that_were_made_with_other_settings_are_named(
    workspace: Workspace, environment: dict[str, str]
) -> None:
    workspace.publish(scheduled_campaign(channels=["email", "push"]))
    run_campaign(workspace.spark, workspace.settings, "letter", workspace.run_id)
    sent = {
        record.topic(): message["message_id"]
        for record in records(workspace)
        for message in json.loads(record.value())["messages"]
    }
    mail, push = sent["email.send-batches"], sent["push.send-batches"]
    then = rerender(workspace.settings, mail)
    rotated = {**environment, "CARILLON_LINKS__SIGNING_KEY": "another-key-of-more-than-32-characters"}
    with pytest.raises(InputError, match=r"byte for byte: .* links\.signing_key was another key\.") as caught:
        carillon(rotated, "rerender", mail)
    assert "Set CARILLON_LINKS__SIGNING_KEY as then, for this command alone" in str(caught.value)
    moved = {**rotated, "CARILLON_LINKS__UNSUBSCRIBE_BASE_URL": "https://new.example.org/u"}
    with pytest.raises(
        InputError, match=r"unsubscribe_base_url was 'http.*' and is 'https://new\.example\.org/u'"
    ):
        carillon(moved, "rerender", mail)
    shown = carillon(rotated, "rerender", mail, "--links-of-now")
    assert shown != then
    assert set(json.loads(shown)) == set(json.loads(then))
    # What has no link is what it was, and so is everything with the settings of then.
    assert carillon(moved, "rerender", push) == rerender(workspace.settings, push)
    assert carillon(environment, "rerender", mail) == then


def test_a_recall_names_who_was_sent_it_and_tells_the_senders(
    workspace: Workspace, environment: dict[str, str]
) -> None:
    (old,) = workspace.publish(scheduled_campaign(channels=["sms"]))
    run_campaign(workspace.spark, workspace.settings, "letter", workspace.run_id)
    (new,) = workspace.publish(scheduled_campaign(channels=["sms", "push"]))
    digest = hashlib.sha256(TEMPLATES["sms/text.en.txt.j2"].encode()).hexdigest()
    listed = carillon(environment, "recall", "--campaign", "letter").decode()
    assert all(one in listed for one in (old, new, digest))
    options = ("recall", "--campaign", "letter", "--content-version", old[:12])
    shown = carillon(environment, *options, "--dry-run").decode()
    assert shown.splitlines() == [f"{old}  sms: 3 messages sent", "3 messages of 1 versions"]
    assert told(workspace) == []
    for _ in range(2):
        carillon(environment, *options, "--detail", "wrong price")
    first, second = told(workspace)
    assert first.recall_id == second.recall_id
    assert (first.campaign_version, first.campaign_id, first.detail) == (old, "letter", "wrong price")
    carillon(environment, "recall", "--campaign", "letter", "--template-digest", digest)
    assert {one.campaign_version for one in told(workspace)} == {old, new}


def told(workspace: Workspace) -> list[Recall]:
    records = read_committed(workspace.settings.kafka.librdkafka(), "send.recalls")
    recalls = [Recall.model_validate_json(one.value()) for one in records]
    # The topic keeps one record of each key.
    assert [one.key().decode() for one in records] == [one.campaign_version for one in recalls]
    return recalls


def test_who_was_recalled_is_written_without_addresses(
    workspace: Workspace, environment: dict[str, str], tmp_path: Any
) -> None:
    (version,) = workspace.publish(scheduled_campaign(channels=["sms"]))
    run_campaign(workspace.spark, workspace.settings, "letter", workspace.run_id)
    out = tmp_path / "who.jsonl"
    carillon(
        environment,
        "recall",
        "--campaign",
        "letter",
        "--content-version",
        version,
        "--out",
        str(out),
        "--dry-run",
    )
    rows = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert {row["message_id"] for row in rows} == set(workspace.messages())
    assert "+1" not in out.read_text("utf-8")
    for wrong, complaint in (
        ("--content-version", "matches 0 versions"),
        ("--template-digest", "matches 0 templates"),
    ):
        with pytest.raises(InputError, match=complaint):
            carillon(environment, "recall", "--campaign", "letter", wrong, "0123456789")
    with pytest.raises(InputError, match="too short"):
        carillon(environment, "recall", "--campaign", "letter", "--content-version", version[:7])
    with pytest.raises(InputError, match=r"'lettre' was never published .*letter"):
        carillon(environment, "recall", "--campaign", "lettre")
