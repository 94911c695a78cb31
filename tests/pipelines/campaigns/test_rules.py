"""What a campaign declares about time, repetition and amount: good forms load, each mistake is told with its remedy."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml

from pipelines.campaigns import Campaign, CampaignError, bundle, load_folder
from pipelines.campaigns.hours import DAY, NO_RULES, WEEK, closures, hours
from pipelines.campaigns.schema import schema_text
from pipelines.campaigns.timing import DelayRule, parse_delay
from tests.builders import make_campaign

if TYPE_CHECKING:
    from tests.pipelines.campaigns.conftest import WriteCampaign

EVERYTHING = {
    "trigger": "trigger: {event: order.placed, delay: 2 days, expires_after: 3 days, reentry: {once_per: plan}, "
    "cancel_on: [{event: order.refunded, match: plan, when: seats > 1}]}",
    "quiet_hours": "quiet_hours: {from: '22:00', to: '08:00'}",
    "send_window": "send_window: {days: [mon, fri], from: '09:00', to: '18:00', otherwise: exclude}",
    "frequency_caps": "frequency_caps: [{at_most: 1, per: week}, "
    "{at_most: 3, per: 7 days, channel: sms, category: marketing}]",
    "priority": "priority: 90",
    "lane": "lane: urgent",
    "rate": "rate: {per_minute: 600}",
    "holdout": "holdout: {percent: 2.5}",
    "channel_choice": "channel_choice: first",
    "default_time_zone": "default_time_zone: Europe/Berlin",
    "category": "category: marketing",
}


def trigger(keys: str) -> dict[str, str]:
    return {"trigger": f"trigger: {{event: a.b, {keys}}}"}


def test_every_key_loads_is_content_and_survives_its_bundle(write_campaign: WriteCampaign) -> None:
    plain = load_folder(write_campaign()).digest
    for key, line in EVERYTHING.items():
        changed = load_folder(write_campaign(None, **{key: line}))
        assert changed.digest != plain, key
        assert Campaign.from_bundle(bundle(changed).payload) == changed
    whole = load_folder(write_campaign(None, **EVERYTHING))
    assert Campaign.from_bundle(bundle(whole).payload) == whole
    spec = yaml.safe_load((write_campaign(None, **EVERYTHING) / "campaign.yaml").read_text())
    jsonschema.validate(spec, json.loads(schema_text()))
    jsonschema.validate(spec | {"trigger": {"explicit": True, "reentry": "once"}}, json.loads(schema_text()))


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (trigger("delay: 2 moons"), ["trigger.delay: ", "'2 moons' is no delay", "'until 09:00 local'"]),
        (trigger("delay: until 9 local"), ["trigger.delay: ", "'9' is no time of day"]),
        (trigger("delay: next noday 10:00 local"), ["trigger.delay: ", "monday, tuesday"]),
        (trigger("delay: 400 days"), ["trigger.delay: ", "longer than 366 days"]),
        (trigger("delay: 0 days"), ["trigger.delay: "]),
        (trigger("delay: 2 days, expires_after: 48 hours"), ["trigger: ", "not longer than 'delay'"]),
        (trigger("expires_after: soon"), ["trigger.expires_after: ", "'90 minutes' or '2 days'"]),
        (trigger("reentry: never"), ["trigger.reentry: ", "write 'once'"]),
        (trigger("reentry: {once_per: 7 dayz}"), ["trigger.reentry: ", "neither a length of time"]),
        (trigger("reentry: {once_per: plam}"), ["trigger.reentry.once_per: ", "Did you mean 'plan'?"]),
        (trigger("cancel_on: [{event: c.d, match: order_id}]"), ["cancel_on[0].match: 'order_id'", "Declare it"]),
        (trigger("cancel_on: [{evnt: c.d}]"), ["trigger.cancel_on[0].evnt", "Did you mean 'event'?"]),
        (trigger("cancel_on: [{event: c.d, when: ' '}]"), ["trigger.cancel_on[0].when", "empty"]),
        ({"q": "quiet_hours: {from: 22:00, to: '08:00'}"}, ["quiet_hours.from: ", 'in quotes: "22:00"']),
        ({"q": "quiet_hours: {from: '22:00', to: '24:00'}"}, ["quiet_hours.to: ", '"00:00" to "23:59"']),
        ({"q": "quiet_hours: {from: '22:00', to: '22:00'}"}, ["quiet_hours: ", "the same time"]),
        ({"q": "quiet_hours: {from: '22:00', till: '08:00'}"}, ["till: unknown key", "from, to, otherwise"]),
        ({"q": "quiet_hours: {from: '22:00', to: '08:00', otherwise: wait}"}, [".otherwise", "hold, exclude"]),
        ({"w": "send_window: {from: '09:00'}"}, ["send_window: ", "both 'from' and 'to'"]),
        ({"w": "send_window: {days: [mon, monday]}"}, ["send_window.days[1]: 'monday'", "Did you mean 'mon'?"]),
        ({"w": "send_window: {days: [mon, mon]}"}, ["send_window: ", "named twice"]),
        ({"w": "send_window: {days: []}"}, ["send_window.days"]),
        (
            {
                "w": "send_window: {from: '23:00', to: '02:00'}",
                "q": "quiet_hours: {from: '22:00', to: '08:00'}",
            },
            ["send_window: the window lies within quiet_hours", "Widen"],
        ),
        (
            trigger("delay: until 09:00 local")
            | {"w": "send_window: {from: '10:00', to: '18:00', otherwise: exclude}"},
            ["trigger.delay: 'until 09:00 local' falls due when send_window excludes", "'otherwise: hold'"],
        ),
        (
            trigger("delay: next sunday 10:00 local")
            | {"w": "send_window: {days: [mon, sat], otherwise: exclude}"},
            ["trigger.delay: 'next sunday 10:00 local' falls due when send_window excludes"],
        ),
        ({"c": "frequency_caps: [{at_most: 0, per: day}]"}, ["frequency_caps[0].at_most: 0"]),
        ({"c": "frequency_caps: [{at_most: 1, per: year}]"}, ["frequency_caps[0].per: ", "'day', 'week', 'month'"]),
        ({"c": "frequency_caps: [{at_most: 1, par: day}]"}, ["frequency_caps[0].par", "Did you mean 'per'?"]),
        (
            {"c": "frequency_caps: [{at_most: 1, per: day}, {at_most: 1, per: day, category: reminders}]"},
            ["campaign.yaml: frequency_caps[1].category: 'reminders' is not the campaign's own category",
             "never stop it. allowed: 'marketing' (from 'topic')", "Write 'category: marketing'", "settings' decide"],
        ),
        (
            {"category": "category: news", "c": "frequency_caps: [{at_most: 1, per: day, category: marketing}]"},
            ["frequency_caps[0].category: 'marketing' is not", "allowed: 'news' (from 'category')"],
        ),
        (
            {"c": "frequency_caps: [{at_most: 1, per: day, channel: push}]"},
            ["campaign.yaml: frequency_caps[0].channel: the campaign does not send by 'push'", "never stop it",
             "allowed: email, sms, or no 'channel'", "or add 'push' there"],
        ),
        ({"p": "priority: 101"}, ["priority: 101"]),
        ({"l": "lane: fast"}, ["lane: 'fast'", "urgent, bulk"]),
        ({"r": "rate: {per_minute: 0}"}, ["rate.per_minute: 0"]),
        ({"r": "rate: {per_minute: 9, ramp: [{minutes: 1, per_minute: 10}]}"}, ["rate: ", "a ramp rises"]),
        ({"r": "rate: {per_minute: 9, ramp: [{minutes: 1, per_minute: 1}]}"}, ["belongs to scheduled campaigns"]),
        ({"h": "holdout: {percent: 100}"}, ["holdout.percent: 100"]),
        ({"z": "default_time_zone: europe/berlin"}, ["default_time_zone: ", "Did you mean 'Europe/Berlin'?"]),
        ({"z": "default_time_zone: Europe/Belrin"}, ["default_time_zone: ", "Did you mean 'Europe/Berlin'?"]),
        ({"z": "default_time_zone: '+02:00'"}, ["default_time_zone: ", "IANA"]),
    ],
)  # fmt: skip
def test_a_wrong_rule_is_told(
    write_campaign: WriteCampaign, spec: dict[str, str], expected: list[str]
) -> None:
    with pytest.raises(CampaignError) as caught:
        load_folder(write_campaign(None, **spec))
    for words in expected:
        assert words in str(caught.value)


@pytest.mark.parametrize(
    "cap", ["category: marketing", "channel: sms", "channel: email, category: marketing", "category: null"]
)
def test_a_cap_of_what_the_campaign_sends_is_good(write_campaign: WriteCampaign, cap: str) -> None:
    line = f"frequency_caps: [{{at_most: 1, per: day, {cap}}}]"
    assert load_folder(write_campaign(None, frequency_caps=line)).frequency_caps


@pytest.mark.parametrize(
    ("delay", "window"),
    [
        ("until 10:00 local", "{from: '10:00', to: '18:00', otherwise: exclude}"),
        ("until 09:00 local", "{from: '10:00', to: '18:00'}"),
        ("until 09:00 local", "{days: [mon], otherwise: exclude}"),
        ("next monday 09:00 local", "{days: [mon], otherwise: exclude}"),
        ("2 days", "{days: [mon], otherwise: exclude}"),
    ],
)
def test_a_delay_that_can_end_while_the_window_is_open_is_good(
    write_campaign: WriteCampaign, delay: str, window: str
) -> None:
    lines = {"w": f"send_window: {window}", **trigger(f"delay: {delay}")}
    assert load_folder(write_campaign(None, **lines)).send_window


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("90 minutes", DelayRule("span", seconds=5_400)),
        ("1 week", DelayRule("span", seconds=604_800)),
        ("until 09:00 local", DelayRule("time", minute=540)),
        ("next sunday 00:01 local", DelayRule("weekday", minute=1, weekday=6)),
    ],
)
def test_what_delays_mean(text: str, meaning: DelayRule) -> None:
    assert parse_delay(text) == meaning


def table(**keys: Any) -> tuple[Any, Any]:
    return hours(closures(make_campaign(None, **keys), NO_RULES))


def segments(*rows: tuple[int, int | None, str | None]) -> list[dict[str, Any]]:
    return [{"upto": upto, "opens": opens, "reason": reason} for upto, opens, reason in rows]


def test_hours_that_are_alike_every_day_are_a_table_of_one_day() -> None:
    overnight = {"from": "22:00", "to": "08:00"}
    rows = segments((480, 480, "quiet_hours"), (1320, None, None), (DAY, DAY + 480, "quiet_hours"))
    assert table(quiet_hours=overnight) == ({"period": DAY, "segments": rows}, None)
    assert table(quiet_hours=overnight | {"otherwise": "exclude"}) == (
        None,
        {"period": DAY, "segments": rows},
    )
    assert table() == (None, None)


def test_a_window_over_midnight_belongs_to_the_day_on_which_it_opens() -> None:
    holding, _ = table(send_window={"days": ["sun"], "from": "20:00", "to": "02:00"})
    opens = 6 * DAY + 20 * 60
    assert holding == {
        "period": WEEK,
        "segments": segments((120, None, None), (opens, opens, "send_window"), (WEEK, None, None)),
    }


def test_whole_days_and_both_rules_at_once() -> None:
    window, quiet = {"days": ["mon"]}, {"from": "06:00", "to": "00:00"}
    holding, _ = table(send_window=window, quiet_hours=quiet)
    found = holding["segments"]
    assert found[:3] == segments(
        (360, None, None), (DAY, WEEK, "quiet_hours"), (DAY + 360, WEEK, "send_window")
    )
    assert found[-1] == {"upto": WEEK, "opens": WEEK, "reason": "quiet_hours"}


def test_rules_that_never_open_together_exclude_because_they_could_not_hold() -> None:
    # One of the campaign's rules excludes: together with the house's they may still never open.
    house = NO_RULES.model_copy(update={"quiet_from": "20:00", "quiet_to": "19:59"})
    campaign = make_campaign(None, send_window={"from": "08:00", "to": "12:00"})
    holding, excluding = hours(closures(campaign, house))
    assert holding is None
    assert excluding is not None
    assert {row["reason"] for row in excluding["segments"]} == {"quiet_hours", "send_window"}
    assert closures(make_campaign(None, topic="transactional"), house) == []
