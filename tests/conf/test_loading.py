"""conf.load: layers, secrets, and the messages for those who mistyped something."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from pydantic import ValidationError

import conf
from conf import ConfError
from conf.explain import explain

YAML = """
kafka: {bootstrap_servers: "broker.example.org:9092"}
lake: {root: s3a://bucket/lake}
links:
  unsubscribe_base_url: https://mail.example.org/u
  preferences_base_url: https://mail.example.org/p
  track_base_url: https://mail.example.org/t
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "trial.yaml").write_text(YAML)
    return tmp_path


def load(folder: Path, **variables: str) -> conf.Settings:
    return conf.load("trial", environ={"CARILLON_CONF_DIR": str(folder), **variables})


def complaint(folder: Path, **variables: str) -> str:
    with pytest.raises(ConfError) as caught:
        load(folder, **variables)
    return str(caught.value)


def test_shipped_environments_load() -> None:
    assert conf.load("local", environ={}).environment == "local"
    secrets = {"CARILLON_KAFKA__SASL_PASSWORD": "x", "CARILLON_LINKS__SIGNING_KEY": "k" * 32}
    settings = conf.load("production.example", environ=secrets)
    assert settings.kafka.security_protocol == "SASL_SSL"


def test_file_then_defaults(folder: Path) -> None:
    settings = load(folder)
    assert settings.environment == "trial"
    assert settings.lake.bucket == "bucket"
    assert settings.lake.prefix == "lake"
    assert settings.stream.pipeline == "triggered"
    assert settings.stream.checkpoint == "s3a://bucket/lake/checkpoints/triggered"


def test_environment_wins_over_file_key_by_key(folder: Path) -> None:
    settings = load(
        folder,
        CARILLON_KAFKA__BOOTSTRAP_SERVERS="127.0.0.1:1",
        CARILLON_CHANNELS__EMAIL__BATCH_BYTES_MAX="20000",
        CARILLON_STREAM__PIPELINE="urgent",
    )
    assert settings.kafka.bootstrap_servers == "127.0.0.1:1"
    assert settings.channels.limits("email") == conf.ChannelLimits(
        messages_per_batch_max=50, batch_bytes_max=20_000
    )
    assert settings.stream.checkpoint == "s3a://bucket/lake/checkpoints/urgent"
    assert settings.links.track_base_url == "https://mail.example.org/t"


def test_a_given_checkpoint_stays(folder: Path) -> None:
    assert load(folder, CARILLON_STREAM__CHECKPOINT="file:///c").stream.checkpoint == "file:///c"


def test_variables_that_are_no_settings_are_left_alone(folder: Path) -> None:
    load(folder, CARILLON_SERVICE_HOST="10.0.0.1", CARILLON_CACHE="/c", CARILLON_KAFKA__BOOTSTRAP_SERVERS="")


def test_settings_are_frozen_and_picklable(folder: Path) -> None:
    settings = load(folder, CARILLON_LINKS__SIGNING_KEY="k" * 32)
    assert pickle.loads(pickle.dumps(settings)) == settings
    with pytest.raises(ValidationError):
        settings.environment = "other"


def test_conf_error_unpickles() -> None:
    assert str(pickle.loads(pickle.dumps(ConfError("where: what")))) == "where: what"


def test_secret_from_file(folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text("s" * 40 + "\n")
    key = load(folder, CARILLON_LINKS__SIGNING_KEY_FILE=str(secret)).links.signing_key
    assert key is not None
    assert key.get_secret_value() == "s" * 40


def test_secrets_never_show(folder: Path) -> None:
    settings = load(folder, CARILLON_LINKS__SIGNING_KEY="hush-hush-hush-hush-hush-hush-hush-hush")
    assert "hush" not in repr(settings)
    assert "hush" not in str(settings.model_dump_json())
    assert "hush" not in complaint(folder, CARILLON_LINKS__SIGNING_KEY="hush")


def test_a_complaint_about_a_secret_never_quotes_it() -> None:
    tree = {"links": {"signing_key": ["hush"]}}
    with pytest.raises(ValidationError) as caught:
        conf.Settings.model_validate(tree)
    assert "hush" not in str(caught.value)
    message = explain(caught.value, tree, "trial.yaml", {})
    assert "links.signing_key" in message
    assert "hush" not in message


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        (
            {"CARILLON_KAFKA__BOOTSTRAP_SERVER": "a:1"},
            ["CARILLON_KAFKA__BOOTSTRAP_SERVER", "Did you mean 'bootstrap_servers'?", "sasl_username"],
        ),
        ({"CARILLON_KAFK__X": "1"}, ["no setting 'kafk'", "Did you mean 'kafka'?"]),
        ({"CARILLON_KAFKA__SSL_CA_LOCATION__X": "1"}, ["no setting 'kafka.ssl_ca_location'"]),
        ({"CARILLON_ENVIRONMENT__X": "1"}, ["no setting 'environment'"]),
        (
            {"CARILLON_STREAM__TRIGGER_INTERVAL_MS": "5s"},
            ["CARILLON_STREAM__TRIGGER_INTERVAL_MS", "found '5s'", "whole number of milliseconds"],
        ),
        (
            {"CARILLON_CHANNELS__SMS__BATCH_BYTES_MAX": "1000000"},
            ["CARILLON_CHANNELS__SMS__BATCH_BYTES_MAX", "950000", "found '1000000'"],
        ),
        ({"CARILLON_LAKE__ROOT": "s3://b/p"}, ["s3a://BUCKET", "write s3a://b/p"]),
        ({"CARILLON_LAKE__ENDPOINT_URL": "localhost:9000"}, ["expected http(s)://HOST"]),
        ({"CARILLON_LAKE__ACCESS_KEY_ID": "a"}, ["trial.yaml: lake:", "come together"]),
        ({"CARILLON_KAFKA__SECURITY_PROTOCOL": "TLS"}, ["'PLAINTEXT', 'SSL'", "found 'TLS'"]),
        ({"CARILLON_LINKS__SIGNING_KEY": "short"}, ["at least 32 characters", "openssl rand"]),
        ({"CARILLON_LAKE__ROOT_FILE": "/f"}, ["only secrets are read from files"]),
        ({"CARILLON_LINKS__SIGNING_KEY_FILE": "/no/such/file"}, ["cannot read /no/such/file"]),
        (
            {"CARILLON_LINKS__SIGNING_KEY_FILE": "/f", "CARILLON_LINKS__SIGNING_KEY": "k" * 32},
            ["CARILLON_LINKS__SIGNING_KEY and CARILLON_LINKS__SIGNING_KEY_FILE both set links.signing_key"],
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_mistakes_in_variables(folder: Path, variables: dict[str, str], expected: list[str]) -> None:
    message = complaint(folder, **variables)
    for part in expected:
        assert part in message


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "lake: {root",
            "lake: {rot",
            ["trial.yaml: lake.rot: unknown key. Did you mean 'root'?", "lake.root: missing"],
        ),
        ("lake: {root: s3a://bucket/lake}", "", ["trial.yaml: lake: missing section"]),
        ("lake: {root: s3a://bucket/lake}", "lake: 7", ["trial.yaml: lake:", "found 7"]),
        (
            "links:",
            "links:\n  signing_key: abc",
            ["links.signing_key: a secret", "CARILLON_LINKS__SIGNING_KEY_FILE"],
        ),
        ("links:", "kafka: {}\nlinks:", ["line 4: not YAML: the key 'kafka' is written twice"]),
        ("links:", "links: [", ["not YAML"]),
        ("links:", "x: {{ x }}\nlinks:", ["trial.yaml line 4: not YAML: ", "Quote texts with {{ }}"]),
        ("links:", "x: 2026-02-30\nlinks:", ["trial.yaml line 4: not YAML: no such date or time"]),
        (YAML, "just words", ["expected sections", "found str"]),
    ],
)
def test_mistakes_in_the_file(folder: Path, old: str, new: str, expected: list[str]) -> None:
    assert old in YAML
    (folder / "trial.yaml").write_text(YAML.replace(old, new))
    message = complaint(folder)
    for part in expected:
        assert part in message
    assert "abc" not in message


def test_a_secret_in_yaml_is_refused_even_where_a_variable_overrides_it(folder: Path) -> None:
    (folder / "trial.yaml").write_text(YAML + "  signing_key: written-down\n")
    assert "does not belong" in complaint(folder, CARILLON_LINKS__SIGNING_KEY="k" * 32)


def test_several_mistakes_are_told_at_once(folder: Path) -> None:
    message = complaint(folder, CARILLON_LAKE__ROOT="x", CARILLON_PUBLISH__MESSAGES_PER_TRANSACTION="0")
    assert len(message.splitlines()) == 2


def test_unknown_environment_names_the_known_ones(folder: Path) -> None:
    with pytest.raises(ConfError, match=r"no environment 'trail'.*Did you mean 'trial'\? There are: trial"):
        conf.load("trail", environ={"CARILLON_CONF_DIR": str(folder)})
    with pytest.raises(ConfError, match="CARILLON_CONF_DIR"):
        conf.load("trial", environ={"CARILLON_CONF_DIR": str(folder / "nowhere")})
    with pytest.raises(ConfError, match="There are: local"):
        conf.load("nowhere", environ={})


def test_limits_of_an_unknown_channel() -> None:
    with pytest.raises(KeyError):
        conf.Channels().limits("fax")


def test_the_price_of_sms(folder: Path) -> None:
    assert load(folder).channels.sms.cost(3) is None
    priced = load(folder, CARILLON_CHANNELS__SMS__PRICE_PER_SEGMENT="0.0075 EUR").channels
    assert priced.sms.cost(3) == "0.0225 EUR"
    assert priced.limits("sms").messages_per_batch_max == 500
    told = complaint(folder, CARILLON_CHANNELS__SMS__PRICE_PER_SEGMENT="cheap")
    assert "CARILLON_CHANNELS__SMS__PRICE_PER_SEGMENT: expected an amount and a currency" in told


def test_a_list_is_json_in_the_environment(folder: Path) -> None:
    settings = load(folder, CARILLON_DECIDE__FREQUENCY_CAPS='[{"at_most": 3, "per": "7 days"}]')
    assert [(cap.at_most, cap.per) for cap in settings.decide.frequency_caps] == [(3, "7 days")]
    found = complaint(folder, CARILLON_DECIDE__FREQUENCY_CAPS='[{"at_most": 3')
    assert found.startswith("CARILLON_DECIDE__FREQUENCY_CAPS: not a JSON list: ")
    found = complaint(folder, CARILLON_DECIDE__FREQUENCY_CAPS='[{"at_most": 0, "per": "7 days"}]')
    assert "CARILLON_DECIDE__FREQUENCY_CAPS" in found
