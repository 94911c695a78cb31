"""A message is decided once: repeats in an epoch and in later ones, and the hold that is none."""

from __future__ import annotations

import pyarrow as pa

from pipelines.identity import uuid5
from pipelines.repeats import find_seen, mark_repeats

#: decision, message, origin, whether an earlier unit has decided it, hold, whether it repeats.
CASES = (
    ("d-1", "m-new", "campaign.triggers/0/1", False, None, False),
    ("d-3", "m-new", "campaign.triggers/1/1", False, None, True),
    ("d-2", "m-new", "campaign.triggers/0/2", False, None, True),
    ("d-4", "m-other", "campaign.triggers/0/3", False, None, False),
    ("d-5", "m-old", "campaign.triggers/0/4", True, None, True),
    ("d-6", "m-old", "campaign.triggers/0/5", True, None, True),
    # A hold is the message that was seen, not another one like it; a trigger beside it is.
    ("d-7", "m-held", "hold/1/trigger/t-1", True, "h-1", False),
    ("d-8", "m-held", "campaign.triggers/0/6", True, None, True),
)


def candidates(has_holds: bool) -> pa.Table:
    columns = {
        name: [case[place] for case in CASES]
        for place, name in enumerate(("decision_id", "message_id", "origin"))
    }
    held = {"hold_id": pa.array([case[4] for case in CASES], pa.string())} if has_holds else {}
    return pa.table({**columns, **held})


def test_the_first_of_a_message_is_no_repeat_and_all_others_are() -> None:
    seen = pa.array([case[3] for case in CASES])
    marked = mark_repeats(candidates(True), seen)
    assert marked["is_repeated"].to_pylist() == [case[5] for case in CASES]
    assert marked.drop_columns("is_repeated").equals(candidates(True))
    without = mark_repeats(candidates(False), seen)["is_repeated"].to_pylist()
    assert [case[0] for case, found in zip(CASES, without, strict=True) if found != case[5]] == ["d-7"]


def test_a_trigger_was_seen_on_whatever_channel_it_was_decided() -> None:
    def of(source_id: str, channel: str | None) -> dict[str, str | None]:
        about = {"campaign_id": "welcome", "source_id": source_id, "customer_id": "c-1"}
        return {**about, "message_id": uuid5(*about.values(), channel or "")}

    asked = [of("t-1", "sms"), of("t-2", "sms"), of("t-3", None), of("t-3", "sms")]
    known = {uuid5("welcome", "t-1", "c-1", "email"), uuid5("welcome", "t-3", "c-1", "")}
    among = lambda ids: pa.array([one in known for one in ids.to_pylist()], pa.bool_())  # noqa: E731
    assert find_seen(pa.Table.from_pylist(asked), among).to_pylist() == [True, False, True, False]
    assert find_seen(pa.Table.from_pylist(asked).slice(0, 0), among).to_pylist() == []
