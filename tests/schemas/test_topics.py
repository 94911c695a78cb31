"""The topics' YAML files: complete, consistent with each other and the configuration, refused when wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

import conf
from schemas import topics
from schemas.channels import CHANNEL_NAMES, CHANNELS, channel
from schemas.inputs import INPUTS, RECORD_BYTES_MAX
from schemas.messages import RECORDS
from schemas.topics import TopicError, load_topics, parse_topic, topic

FOLDER = Path(topics.__file__).parent
GOOD = (FOLDER / "send.progress.yaml").read_text()
# librdkafka counts key, value and headers of one record against its own message.max.bytes.
LIBRDKAFKA_MESSAGE_MAX_BYTES = 1_000_000
HEADERS_AND_KEY_BYTES = 16_384


def test_the_folder_holds_exactly_the_named_topics() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.yaml")) == sorted(topics.TOPIC_NAMES)
    assert tuple(row.name for row in load_topics()) == topics.TOPIC_NAMES


def test_every_record_type_is_on_exactly_one_topic() -> None:
    assert sorted(row.value_schema for row in load_topics() if row.value_schema) == sorted(RECORDS)


def test_who_reads_a_topic_and_who_of_ours_writes_one_exists() -> None:
    """A job, a command of the console, or the senders."""
    home = Path(conf.__file__).parent.parent
    jobs = {path.stem for path in (home / "jobs").glob("[a-z]*.py")}
    commands = {path.stem.replace("_", "-") for path in (home / "console").glob("*.py")}
    for row in load_topics():
        for name in (*row.consumers, *(row.producers if row.direction == "out" else ())):
            kind, _, command = name.partition(" ")
            assert name in jobs or name.endswith("senders") or (kind == "carillon" and command in commands), (
                f"{row.name}: {name}"
            )


def test_dead_letters_hold_the_largest_input_and_its_headers() -> None:
    largest = max(row.max_message_bytes for row in load_topics() if row.direction == "in")
    assert topic("campaign.dead-letters").max_message_bytes >= largest + 64 * 1024
    # Producers take what the largest topic takes, and letters are cut to what their producer takes.
    assert topic("campaign.dead-letters").max_message_bytes == max(t.max_message_bytes for t in load_topics())


def test_no_record_of_ours_is_refused_or_expires_because_of_a_wrong_clock() -> None:
    """Kafka refuses a record from the future, and deletes one from the past with its retention."""
    ours = {row.name for row in load_topics() if row.direction == "out"} | {"delivery.events"}
    by_broker = {
        row.name for row in load_topics() if row.config.get("message.timestamp.type") == "LogAppendTime"
    }
    assert by_broker == ours


def test_inputs_too_large_to_decode_still_reach_the_topic() -> None:
    for row in INPUTS:
        assert topic(row.topic).max_message_bytes > 5_000_000 > RECORD_BYTES_MAX


@pytest.mark.parametrize("environment", ["local", "production.example"])
def test_a_full_batch_fits_its_topic_and_the_producer(environment: str) -> None:
    secrets = {"CARILLON_KAFKA__SASL_PASSWORD": "x"} if environment != "local" else {}
    settings = conf.load(environment, environ=secrets)
    for row in CHANNELS:
        most = settings.channels.limits(row.name).batch_bytes_max + HEADERS_AND_KEY_BYTES
        assert most <= min(topic(row.topic).max_message_bytes, LIBRDKAFKA_MESSAGE_MAX_BYTES)


def test_configuration_and_channels_name_the_same_limits() -> None:
    assert tuple(conf.Channels.model_fields) == CHANNEL_NAMES
    for row in CHANNELS:
        limits = conf.Channels().limits(row.name)
        assert limits.messages_per_batch_max == row.defaults.messages_per_batch_max
        assert limits.batch_bytes_max == row.defaults.batch_bytes_max


@pytest.mark.parametrize("row", CHANNELS, ids=lambda row: row.name)
def test_each_channel_has_its_topic(row: topics.Topic) -> None:
    declared = topic(channel(row.name).topic)
    assert declared.value_schema == f"{row.name}-send-batch"
    assert {"ce_specversion", "ce_id", "ce_type", "ce_source", "ce_time", "content-type"} <= set(
        declared.header_names
    )
    assert channel(row.name).batch_type in {header.value for header in declared.headers}


def test_what_must_never_be_forgotten_is_compacted_and_the_others_expire() -> None:
    for row in load_topics():
        is_kept = row.name in ("send.progress", "send.recalls")
        assert row.config["cleanup.policy"] == ("compact" if is_kept else "delete")
        assert ("retention.ms" in row.config) != is_kept
    assert float(topic("send.progress").config["min.cleanable.dirty.ratio"]) < 0.1


def test_unknown_names_list_the_known_ones() -> None:
    with pytest.raises(KeyError, match="email, sms, push"):
        channel("fax")
    with pytest.raises(KeyError, match=r"campaign\.triggers, customer\.events"):
        topic("campaign.trigger")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("cleanup.policy: compact", "clean.policy: compact", "Did you mean 'cleanup.policy'"),
        ("cleanup.policy: compact", "cleanup.policy: delete", "needs retention.ms"),
        ('max.message.bytes: "1048588"', 'segment.ms: "1"', "missing max.message.bytes"),
        ("partitions: 16", "partitions: 0", "partitions"),
        ("partitions: 16", "", "partitions: Field required"),
        ("version: 1", "version: 1\nowner: nobody", "owner: Extra inputs"),
        ("name: send.progress", "name: send.progres", "must be the file's name"),
        ("direction: out", "direction: [", "not YAML"),
    ],
)
def test_a_wrong_file_is_refused_with_its_name(old: str, new: str, expected: str) -> None:
    assert old in GOOD
    with pytest.raises(TopicError) as caught:
        parse_topic("send.progress.yaml", GOOD.replace(old, new))
    assert "schemas/topics/send.progress.yaml" in str(caught.value)
    assert expected in str(caught.value)
