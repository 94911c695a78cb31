"""Messages of a batch: right template, right JSON, right order; a failure is one row's."""

from __future__ import annotations

import json
import pickle
from typing import TYPE_CHECKING, Any

import pytest

from pipelines.campaigns import Campaign, bundle
from pipelines.links import LinkClaim, read_url
from pipelines.messages import Assembled, CompiledCampaign, compile_campaign
from schemas.messages import EmailMessage, PushMessage, SmsMessage

if TYPE_CHECKING:
    from pipelines.links import LinkSettings
    from tests.pipelines.messages.conftest import MakeBatch, MakeCampaign

HOSTILE = [
    '"\\',
    "<script>",
    "a\r\nBcc: x@example.org",
    "\x00\x1f",
    "{{ 7 * 7 }}",
    "\u202e😀",
    "\u2028",
    "%s",
]


def messages(assembled: Assembled) -> list[Any]:
    return [None if payload is None else json.loads(payload) for payload in assembled.payloads.to_pylist()]


def test_an_email(make_campaign: MakeCampaign, make_batch: MakeBatch, links: LinkSettings) -> None:
    campaign = make_campaign({"email/preheader.en.txt.j2": " two\n lines "})
    assembled = compile_campaign(campaign, links).assemble("email", make_batch([{"customer_id": 'c"1'}]))
    assert assembled.failures == ()
    message = EmailMessage.model_validate_json(assembled.payloads[0].as_py())
    assert (message.message_id, message.customer_id, message.locale, message.variant) == (
        "m-0",
        'c"1',
        "en",
        None,
    )
    assert (message.to, message.subject, message.preheader) == ("ann@example.org", "Hello Ann", "two lines")
    assert (message.html, message.text) == ("<p>Ann</p>", "Hello Ann")
    assert message.headers.message_id == "<m-0@links.example.org>"
    assert message.headers.list_unsubscribe_post == "List-Unsubscribe=One-Click"
    url = str(message.headers.list_unsubscribe)
    assert url[0] + url[-1] == "<>"
    assert read_url(links.signing_key, url[1:-1]) == LinkClaim("m-0", 'c"1', "email", "marketing")


def test_the_links_in_the_text_are_those_in_the_headers(
    make_campaign: MakeCampaign, make_batch: MakeBatch, links: LinkSettings
) -> None:
    campaign = make_campaign({"email/text.en.txt.j2": "{{ unsubscribe_url() }}"})
    (message,) = messages(compile_campaign(campaign, links).assemble("email", make_batch([{}])))
    assert message["headers"]["List-Unsubscribe"] == f"<{message['text']}>"


def test_transactional_mail_offers_no_unsubscribing(
    make_campaign: MakeCampaign, make_batch: MakeBatch, links: LinkSettings
) -> None:
    campaign = make_campaign(topic="transactional")
    (message,) = messages(compile_campaign(campaign, links).assemble("email", make_batch([{}])))
    assert list(message["headers"]) == ["Message-ID"]
    assert message["preheader"] is None


def test_an_sms(make_campaign: MakeCampaign, make_batch: MakeBatch, links: LinkSettings) -> None:
    campaign = make_campaign({"sms/text.en.txt.j2": "  Hi {{ customer.first_name }}\n\n"})
    batch = make_batch([{}, {"first_name": "я"}])
    assembled = compile_campaign(campaign, links).assemble("sms", batch)
    first, second = (SmsMessage.model_validate_json(payload) for payload in assembled.payloads.to_pylist())
    assert (first.to, first.text, first.encoding, first.segments) == ("+15550100", "Hi Ann", "GSM-7", 1)
    assert (second.text, second.encoding) == ("Hi я", "UCS-2")


@pytest.mark.parametrize(
    ("simplify", "text", "encoding"), [(True, "2 PM", "GSM-7"), (False, "2\u202fPM", "UCS-2")]
)
def test_simplifying_an_sms_is_the_campaigns_choice(
    make_campaign: MakeCampaign,
    make_batch: MakeBatch,
    links: LinkSettings,
    simplify: bool,
    text: str,
    encoding: str,
) -> None:
    campaign = make_campaign({"sms/text.en.txt.j2": "2\u202fPM"}, sms={"simplify": simplify})
    (message,) = messages(compile_campaign(campaign, links).assemble("sms", make_batch([{}])))
    assert (message["text"], message["encoding"]) == (text, encoding)


def test_a_push(make_campaign: MakeCampaign, make_batch: MakeBatch, links: LinkSettings) -> None:
    data = {"screen": "home", "plan": "{{ event.properties.plan }}"}
    campaign = make_campaign({"push/deep_link.en.txt.j2": "app://{{ event.event_id }}"}, push={"data": data})
    batch = make_batch([{"data": '{"plan": "p\\"1"}'}])
    message = PushMessage.model_validate_json(
        compile_campaign(campaign, links).assemble("push", batch).payloads[0].as_py()
    )
    assert (message.token, message.title, message.body, message.deep_link) == (
        "token-1",
        "Hi Ann",
        "Body",
        "app://e-0",
    )
    assert message.data == {"campaign_id": "welcome", "message_id": "m-0", "plan": 'p"1', "screen": "home"}


def test_variables(make_campaign: MakeCampaign, make_batch: MakeBatch, links: LinkSettings) -> None:
    text = (
        "{{ event.event_id }} {{ event.type }} {{ event.occurred_at.isoformat() }}"
        " {{ event.properties.seats + 1 }}"
        " {{ campaign.campaign_id }} {{ campaign.name }} {{ message.message_id }} {{ message.channel }}"
        " {{ message.locale }} {{ message.variant is none }}"
    )
    campaign = make_campaign({"sms/text.en.txt.j2": text})
    (message,) = messages(
        compile_campaign(campaign, links).assemble("sms", make_batch([{"data": '{"seats": 4}'}]))
    )
    assert message["text"] == "e-0 account.opened 2026-03-01T09:30:00+00:00 5 welcome Welcome m-0 sms en True"


def test_an_explicit_trigger_is_called_trigger(
    make_campaign: MakeCampaign, make_batch: MakeBatch, links: LinkSettings
) -> None:
    text = {"sms/text.en.txt.j2": "{{ trigger.trigger_id }} {{ trigger.data.plan }}"}
    campaign = make_campaign(text, trigger={"explicit": True})
    (message,) = messages(
        compile_campaign(campaign, links).assemble("sms", make_batch([{"data": '{"plan": "x"}'}]))
    )
    assert message["text"] == "e-0 x"


def test_locales_and_variants_choose_the_templates_row_by_row(
    make_campaign: MakeCampaign, make_batch: MakeBatch, links: LinkSettings
) -> None:
    texts = {
        "sms/text.de.txt.j2": "de {{ message.locale }} {{ message.variant }}",
        "sms/text.en.txt.j2": "en {{ message.locale }} {{ message.variant }}",
        "bold/sms/text.en.txt.j2": "bold {{ message.locale }} {{ message.variant }}",
        "email/subject.de.txt.j2": None,
    }
    campaign = make_campaign(texts, variants={"calm": 1, "bold": 1})
    rows = [
        ("de-AT", "calm"),
        ("fr", "bold"),
        (None, "calm"),
        ("DE", "bold"),
        ("en-gb", "bold"),
        ("de-AT", "calm"),
    ]
    batch = make_batch([{"locale": locale, "variant": variant} for locale, variant in rows])
    made = messages(compile_campaign(campaign, links).assemble("sms", batch))
    assert [message["text"] for message in made] == [
        "de de-AT calm",
        "bold en bold",
        "en en calm",
        "de de bold",
        "bold en-GB bold",
        "de de-AT calm",
    ]
    assert [message["message_id"] for message in made] == [f"m-{row}" for row in range(6)]
    assert [message["locale"] for message in made] == ["de-AT", "en", "en", "de", "en-GB", "de-AT"]


PO = """msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\\n"

msgid "%(count)s seat"
msgid_plural "%(count)s seats"
msgstr[0] "%(count)s Platz"
msgstr[1] "%(count)s Plätze"
"""


def test_a_catalogue_translates_the_default_templates(
    make_campaign: MakeCampaign, make_batch: MakeBatch, links: LinkSettings
) -> None:
    text = (
        "{% trans count=event.properties.seats %}{{ count }} seat"
        "{% pluralize %}{{ count }} seats{% endtrans %}"
    )
    campaign = make_campaign({"sms/text.en.txt.j2": text}, catalogues={"de": PO})
    rows = [("de-AT", 1), ("en", 1), ("de", 2), ("fr", 2)]
    batch = make_batch([{"locale": locale, "data": json.dumps({"seats": seats})} for locale, seats in rows])
    made = messages(compile_campaign(campaign, links).assemble("sms", batch))
    assert [message["text"] for message in made] == ["1 Platz", "1 seat", "2 Plätze", "2 seats"]
    assert [message["locale"] for message in made] == ["de-AT", "en", "de", "en"]


def test_an_optional_part_falls_back_alone(
    make_campaign: MakeCampaign, make_batch: MakeBatch, links: LinkSettings
) -> None:
    texts = {"push/title.de.txt.j2": "T", "push/body.de.txt.j2": "B", "push/deep_link.en.txt.j2": "app://x"}
    (message,) = messages(
        compile_campaign(make_campaign(texts), links).assemble("push", make_batch([{"locale": "de"}]))
    )
    assert (message["title"], message["deep_link"]) == ("T", "app://x")


def test_failures_are_rows_of_their_own(
    make_campaign: MakeCampaign, make_batch: MakeBatch, links: LinkSettings
) -> None:
    text = (
        "{% if event.properties.plan == 'stop' %}{{ abort('not for you') }}{% endif %}"
        "{{ customer.first_name }} {{ 10 // event.properties.seats }} {{ event.properties.plan }}"
    )
    campaign = make_campaign({"sms/text.en.txt.j2": text}, variants={"a": 1})
    rows: list[dict[str, Any]] = [
        {"data": '{"plan": "p", "seats": 2}'},
        {"data": '{"plan": "p", "seats": 2}', "first_name": None},
        {"data": '{"plan": "stop", "seats": 2}'},
        {"data": '{"plan": "p", "seats": "two"}'},
        {"data": '{"plan": "p", "seats": 0}'},
        {"data": '{"plan": "p", "seats": 2}', "phone": None},
        {"data": '{"plan": "p", "seats": 2}', "variant": "zebra"},
        {"data": '{"plan": "p", "seats": 2}', "variant": "a", "locale": "de"},
    ]
    assembled = compile_campaign(campaign, links).assemble("sms", make_batch(rows))
    made = messages(assembled)
    assert [place for place, message in enumerate(made) if message] == [0, 7]
    assert [(failure.row, failure.reason) for failure in assembled.failures] == [
        (1, "render_undefined"),
        (2, "aborted"),
        (3, "invalid_data"),
        (4, "render_error"),
        (5, "no_address"),
        (6, "no_template"),
    ]
    details = {failure.row: failure.detail for failure in assembled.failures}
    assert details[1] == "sms/text.en.txt.j2 line 1: customer.first_name is None"
    assert details[2] == "not for you"
    assert details[3] == "data.seats: a string does not fit the declared int64"
    assert "'zebra'" in details[6]


@pytest.mark.parametrize("channel", ["email", "sms", "push"])
def test_hostile_data_stays_data(
    make_campaign: MakeCampaign, make_batch: MakeBatch, links: LinkSettings, channel: str
) -> None:
    campaign = make_campaign()
    batch = make_batch([{"first_name": name} for name in HOSTILE])
    alone = compile_campaign(campaign, links)
    together = alone.assemble(channel, batch)
    assert together.failures == ()
    made = messages(together)
    for row, name in enumerate(HOSTILE):
        one = messages(alone.assemble(channel, batch.slice(row, 1)))
        assert one == [made[row]]
        shown = made[row]["text" if channel != "push" else "title"]
        assert shown == (f"Hello {name}" if channel == "email" else f"Hi {name}".strip())
        if channel == "email":
            assert "<script>" not in made[row]["html"]
            assert not set(made[row]["subject"]) & set("\r\n\x00\x1f\u2028")


@pytest.mark.parametrize(
    ("channel", "part"), [("email", "subject"), ("email", "text"), ("sms", "text"), ("push", "body")]
)
def test_an_empty_required_part_fails(
    make_campaign: MakeCampaign, make_batch: MakeBatch, links: LinkSettings, channel: str, part: str
) -> None:
    campaign = make_campaign({f"{channel}/{part}.en.txt.j2": "{{ customer.first_name }}"})
    batch = make_batch([{"first_name": ""}, {}])
    assembled = compile_campaign(campaign, links).assemble(channel, batch)
    assert [(one.row, one.reason, one.detail) for one in assembled.failures] == [
        (0, "render_error", f"the part '{part}' is empty")
    ]


def test_segments_beyond_the_campaigns_maximum_fail(
    make_campaign: MakeCampaign, make_batch: MakeBatch, links: LinkSettings
) -> None:
    campaign = make_campaign({"sms/text.en.txt.j2": "{{ customer.first_name }}"}, sms={"max_segments": 2})
    batch = make_batch([{"first_name": "a" * 306}, {"first_name": "a" * 307}])
    assembled = compile_campaign(campaign, links).assemble("sms", batch)
    assert messages(assembled)[0]["segments"] == 2
    assert [(one.row, one.reason) for one in assembled.failures] == [(1, "message_too_large")]
    assert assembled.failures[0].detail == "more than 2 SMS segments"


def test_a_push_payload_is_counted_in_bytes(
    make_campaign: MakeCampaign, make_batch: MakeBatch, links: LinkSettings
) -> None:
    campaign = make_campaign(
        {"push/title.en.txt.j2": "T", "push/body.en.txt.j2": "{{ customer.first_name }}"}
    )
    around = {
        "aps": {"alert": {"title": "T", "body": ""}},
        "deep_link": None,
        "campaign_id": "welcome",
        "message_id": "m-0",
    }
    room = 4_096 - len(json.dumps(around, separators=(",", ":")))
    bodies = ["b" * room, "b" * (room + 1), "é" * (room // 2 + 1)]
    assembled = compile_campaign(campaign, links).assemble(
        "push", make_batch([{"first_name": body} for body in bodies])
    )
    assert [(one.row, one.reason) for one in assembled.failures] == [
        (1, "message_too_large"),
        (2, "message_too_large"),
    ]


def test_slices_and_empty_batches(
    make_campaign: MakeCampaign, make_batch: MakeBatch, links: LinkSettings
) -> None:
    compiled = compile_campaign(make_campaign(), links)
    batch = make_batch([{"first_name": f"n{row}"} for row in range(6)])
    made = messages(compiled.assemble("sms", batch.slice(2, 3)))
    assert [message["text"] for message in made] == ["Hi n2", "Hi n3", "Hi n4"]
    assert compiled.assemble("sms", batch.slice(0, 0)).payloads.to_pylist() == []


def test_a_channel_the_campaign_does_not_have(
    make_campaign: MakeCampaign, make_batch: MakeBatch, links: LinkSettings
) -> None:
    compiled = compile_campaign(make_campaign(channels=["email"]), links)
    assembled = compiled.assemble("sms", make_batch([{}]))
    assert [failure.reason for failure in assembled.failures] == ["no_template"]
    assert assembled.payloads.to_pylist() == [None]


def test_compiled_once_for_each_version(make_campaign: MakeCampaign, links: LinkSettings) -> None:
    campaign = make_campaign()
    compiled = compile_campaign(campaign, links)
    assert isinstance(compiled, CompiledCampaign)
    assert compile_campaign(Campaign.from_bundle(bundle(campaign).payload), links) is compiled
    assert compile_campaign(make_campaign(name="Other"), links) is not compiled


def test_failures_pickle(make_campaign: MakeCampaign, make_batch: MakeBatch, links: LinkSettings) -> None:
    failures = (
        compile_campaign(make_campaign(), links).assemble("sms", make_batch([{"phone": None}])).failures
    )
    assert pickle.loads(pickle.dumps(failures)) == failures
