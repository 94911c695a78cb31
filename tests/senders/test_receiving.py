"""Chunks of records into a directory: each message once, nothing lost, a crash anywhere repeats nothing."""

from __future__ import annotations

import email
import email.policy
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from senders.decoding import RawRecord
from senders.errors import SenderError
from senders.receiving import Receiver
from senders.reference import FileDelivery, render, summarize
from tests.senders.batches import record

TOPIC_IDS = {"email.send-batches": "id-email", "sms.send-batches": "id-sms", "push.send-batches": "id-push"}


class PowerCutError(Exception):
    """Stands for kill -9."""


class CrashingDelivery(FileDelivery):
    """Delivers the whole chunk to the files and dies before anything is remembered."""

    def flush(self) -> Mapping[str, int]:
        super().flush()
        raise PowerCutError


def receive(
    directory: Path,
    *chunks: Sequence[RawRecord],
    delivery: FileDelivery | None = None,
    topic_ids: dict[str, str] = TOPIC_IDS,
) -> dict[str, object]:
    """One life of a sender; the summary it would write."""
    receiver = Receiver(directory, delivery or FileDelivery(directory), topic_ids)
    try:
        for chunk in chunks:
            receiver.take(chunk)
        return summarize(receiver.store.counts())
    finally:
        receiver.close()


def totals(summary: dict[str, object]) -> tuple[object, ...]:
    return tuple(summary[name] for name in ("received", "duplicates", "undeliverable", "malformed"))


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def eml_names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.glob("email/*/*"))


def test_every_channel_arrives(tmp_path: Path) -> None:
    summary = receive(
        tmp_path,
        [
            record("email", ["aa-1", "bb-2"]),
            record("sms", ["s-1"]),
            record("push", ["p-1"], campaign_id="welcome"),
        ],
    )
    assert totals(summary) == (4, 0, 0, 0)
    assert summary["campaigns"] == {
        "cart_reminder": {
            "email": {"received": 2, "duplicates": 0, "undeliverable": 0, "recalled": 0, "malformed": 0},
            "sms": {"received": 1, "duplicates": 0, "undeliverable": 0, "recalled": 0, "malformed": 0},
        },
        "welcome": {
            "push": {"received": 1, "duplicates": 0, "undeliverable": 0, "recalled": 0, "malformed": 0}
        },
    }
    assert [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.glob("email/*/*"))] == [
        "email/aa/aa-1.eml",
        "email/bb/bb-2.eml",
    ]
    parsed = email.message_from_bytes(
        (tmp_path / "email/aa/aa-1.eml").read_bytes(), policy=email.policy.default
    )
    assert parsed["Message-ID"] == "<aa-1@example.org>"
    assert [(line["campaign_id"], line["message_id"]) for line in lines(tmp_path / "sms.jsonl")] == [
        ("cart_reminder", "s-1")
    ]
    assert [line["token"] for line in lines(tmp_path / "push.jsonl")] == ["t-1"]


@pytest.mark.parametrize("separate_chunks", [False, True])
@pytest.mark.parametrize("channel", ["email", "sms", "push"])
def test_a_repeated_message_is_delivered_once_and_counted(
    tmp_path: Path, channel: str, separate_chunks: bool
) -> None:
    records = [record(channel, ["m-1", "m-2", "m-1"]), record(channel, ["m-2", "m-3"], offset=1)]
    summary = receive(tmp_path, *([[each] for each in records] if separate_chunks else [records]))
    assert totals(summary) == (3, 2, 0, 0)
    if channel == "email":
        assert eml_names(tmp_path) == ["m-1.eml", "m-2.eml", "m-3.eml"]
    else:
        assert [line["message_id"] for line in lines(tmp_path / f"{channel}.jsonl")] == ["m-1", "m-2", "m-3"]


def test_records_read_again_after_a_lost_offset_commit_are_no_duplicates(tmp_path: Path) -> None:
    chunk = [
        record("sms", ["m-1", "m-1"]),
        record("sms", ["m-2"], offset=1),
        record("sms", ["m-3"], offset=2, value=b"?"),
    ]
    before = receive(tmp_path, chunk)
    assert totals(before) == (2, 1, 0, 1)
    assert receive(tmp_path, chunk) == before
    assert len(lines(tmp_path / "sms.jsonl")) == 2
    assert len(lines(tmp_path / "dead-letters.jsonl")) == 1


def test_a_crash_between_delivery_and_memory_repeats_no_line(tmp_path: Path) -> None:
    bad = [
        record("sms", ["m-2"], offset=1),
        record("push", ["p-1", "p-2"]),
        record("push", ["p-9"], offset=1, value=b"?"),
    ]
    receive(tmp_path, [record("sms", ["m-1"])])
    with pytest.raises(PowerCutError):
        receive(tmp_path, bad, delivery=CrashingDelivery(tmp_path))
    assert len(lines(tmp_path / "sms.jsonl")) == 2, "the crash came too early to be one"
    summary = receive(tmp_path, bad)
    assert totals(summary) == (4, 0, 0, 1)
    assert [line["message_id"] for line in lines(tmp_path / "sms.jsonl")] == ["m-1", "m-2"]
    assert [line["message_id"] for line in lines(tmp_path / "push.jsonl")] == ["p-1", "p-2"]
    assert len(lines(tmp_path / "dead-letters.jsonl")) == 1


def test_a_topic_made_anew_is_not_mistaken_for_the_old_one(tmp_path: Path) -> None:
    receive(tmp_path, [record("sms", ["m-1"]), record("sms", ["m-2"], offset=1)])
    summary = receive(
        tmp_path,
        [record("sms", ["m-3"]), record("sms", ["m-1"], offset=1)],
        topic_ids={**TOPIC_IDS, "sms.send-batches": "new"},
    )
    assert totals(summary) == (3, 1, 0, 0)


def test_a_refused_record_is_counted_and_kept_and_the_rest_goes_on(tmp_path: Path) -> None:
    newer = record("email", ["m-1"], headers={"ce_type": "carillon.send-batch.email.v9"})
    summary = receive(tmp_path, [newer, record("email", ["m-2"], offset=1)])
    assert totals(summary) == (1, 0, 0, 1)
    (letter,) = lines(tmp_path / "dead-letters.jsonl")
    assert letter["topic"] == "email.send-batches"
    assert letter["offset"] == 0
    assert "v9: a version this sender does not know" in str(letter["reason"])
    assert letter["value_base64"]
    assert summary["campaigns"] == {
        "cart_reminder": {
            "email": {"received": 1, "duplicates": 0, "undeliverable": 0, "recalled": 0, "malformed": 1}
        }
    }


@pytest.mark.parametrize(
    "content",
    [
        {"to": "ava@example.org\r\nBcc: eve@example.org"},
        {"headers": {"Message-ID": "<a>", "Bcc": "eve@example.org"}},
    ],
)
def test_a_message_no_email_can_carry_is_named_without_its_values(
    tmp_path: Path, content: dict[str, object]
) -> None:
    summary = receive(
        tmp_path, [record("email", ["m-1"], content=content), record("email", ["m-2"], offset=1)]
    )
    assert totals(summary) == (2, 0, 1, 0)
    assert eml_names(tmp_path) == ["m-2.eml"]
    text = (tmp_path / "dead-letters.jsonl").read_text("utf-8")
    assert '"message_id":"m-1"' in text
    assert "eve@" not in text


@pytest.mark.parametrize("message_id", ["../../etc/cron", "a/b", ".hidden", "a" * 101, "a\x00b"])
def test_a_message_id_never_leaves_the_directory(tmp_path: Path, message_id: str) -> None:
    summary = receive(tmp_path / "out", [record("email", [message_id])])
    assert totals(summary) == (1, 0, 1, 0)
    assert not list(tmp_path.glob("**/*.eml"))


def test_emails_max_bounds_the_files_not_the_count(tmp_path: Path) -> None:
    chunk = [record("email", ["m-1", "m-2", "m-3"])]
    summary = receive(tmp_path, chunk, delivery=FileDelivery(tmp_path, emails_max=2))
    assert totals(summary) == (3, 0, 0, 0)
    assert eml_names(tmp_path) == ["m-1.eml", "m-2.eml"]


def test_two_senders_cannot_share_a_directory(tmp_path: Path) -> None:
    receiver = Receiver(tmp_path, FileDelivery(tmp_path), TOPIC_IDS)
    try:
        with pytest.raises(SenderError, match="another sender writes here"):
            Receiver(tmp_path, FileDelivery(tmp_path), TOPIC_IDS)
    finally:
        receiver.close()


def test_the_table_adds_up(tmp_path: Path) -> None:
    text = render(receive(tmp_path, [record("sms", ["m-1"]), record("email", ["m-2", "m-2"])]))
    assert text.splitlines()[0].split() == [
        "campaign",
        "channel",
        "received",
        "duplicates",
        "undeliverable",
        "recalled",
        "malformed",
    ]
    assert text.splitlines()[-1].split() == ["all", "2", "1", "0", "0", "0"]


def outcomes(
    directory: Path, chunk: list[RawRecord], recalled: frozenset[str] = frozenset()
) -> list[tuple[str, str]]:
    """What a sender tells of the messages of a chunk."""
    receiver = Receiver(directory, FileDelivery(directory), TOPIC_IDS)
    try:
        return [(one.type, one.message_id) for one in receiver.take(chunk, recalled).outcomes]
    finally:
        receiver.close()


def test_what_became_of_each_message_is_told_also_when_a_chunk_comes_again(tmp_path: Path) -> None:
    chunk = [
        record("sms", ["m-1", "m-2", "m-1"]),
        record("email", ["e-1"], content={"to": "ava@example.org\r\nBcc: eve@example.org"}),
    ]
    first = outcomes(tmp_path, chunk)
    assert sorted(first) == [
        ("accepted", "m-1"),
        ("accepted", "m-2"),
        ("duplicate", "m-1"),
        ("rejected", "e-1"),
    ]
    # The sender died before it told of them: the records come again, and each message is acknowledged after all.
    assert {one for _, one in outcomes(tmp_path, chunk)} == {"m-1", "m-2", "e-1"}


def test_a_recalled_version_is_not_delivered_and_counted_once(tmp_path: Path) -> None:
    delivered, late = record("sms", ["m-1"]), record("sms", ["m-1", "m-2"], offset=1)
    assert outcomes(tmp_path, [delivered]) == [("accepted", "m-1")]
    recalled = frozenset({"sha256:00"})
    for _ in range(2):
        assert outcomes(tmp_path, [late], recalled) == [("duplicate", "m-1"), ("recalled", "m-2")]
    assert outcomes(tmp_path, [record("push", ["p-1"])], frozenset({"another"})) == [("accepted", "p-1")]
    summary = receive(tmp_path)
    assert (summary["received"], summary["recalled"], summary["duplicates"]) == (2, 1, 1)
    assert [line["message_id"] for line in lines(tmp_path / "sms.jsonl")] == ["m-1"]
