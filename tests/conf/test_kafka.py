"""One Kafka model, two clients: the same identity and trust in librdkafka's words and in Java's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer
from pydantic import SecretStr, ValidationError

from conf import ConfError, Kafka

SERVERS = "a.example.org:9093,b.example.org:9093"


def kafka(**fields: Any) -> Kafka:
    return Kafka.model_validate({"bootstrap_servers": SERVERS, **fields})


def sasl(mechanism: str = "SCRAM-SHA-512", protocol: str = "SASL_SSL", password: str = "p") -> Kafka:
    return kafka(
        security_protocol=protocol,
        sasl_mechanism=mechanism,
        sasl_username="carillon",
        sasl_password=SecretStr(password),
    )


def test_plaintext() -> None:
    assert kafka().librdkafka() == {"bootstrap.servers": SERVERS, "security.protocol": "PLAINTEXT"}
    assert kafka().spark_source() == {
        "kafka.bootstrap.servers": SERVERS,
        "kafka.security.protocol": "PLAINTEXT",
    }


@pytest.mark.parametrize(
    ("mechanism", "module"),
    [
        ("PLAIN", "org.apache.kafka.common.security.plain.PlainLoginModule"),
        ("SCRAM-SHA-256", "org.apache.kafka.common.security.scram.ScramLoginModule"),
        ("SCRAM-SHA-512", "org.apache.kafka.common.security.scram.ScramLoginModule"),
    ],
)
@pytest.mark.parametrize("protocol", ["SASL_SSL", "SASL_PLAINTEXT"])
def test_sasl(mechanism: str, module: str, protocol: str) -> None:
    settings = sasl(mechanism, protocol)
    assert settings.librdkafka() == {
        "bootstrap.servers": SERVERS,
        "security.protocol": protocol,
        "sasl.mechanism": mechanism,
        "sasl.username": "carillon",
        "sasl.password": "p",
    }
    assert settings.spark_source() == {
        "kafka.bootstrap.servers": SERVERS,
        "kafka.security.protocol": protocol,
        "kafka.sasl.mechanism": mechanism,
        "kafka.sasl.jaas.config": f'{module} required username="carillon" password="p";',
    }


def test_a_password_cannot_break_out_of_the_jaas_line() -> None:
    settings = sasl(password='a"b\\c";\n')
    assert settings.spark_source()["kafka.sasl.jaas.config"].endswith(r'password="a\"b\\c\";\n";')
    assert settings.librdkafka()["sasl.password"] == 'a"b\\c";\n'


def test_tls_trust(tmp_path: Path) -> None:
    authority = pem(tmp_path, "ca.pem", "CERTIFICATE")
    settings = kafka(security_protocol="SSL", ssl_ca_location=authority)
    assert settings.librdkafka()["ssl.ca.location"] == authority
    java = settings.spark_source()
    assert java["kafka.ssl.truststore.type"] == "PEM"
    assert java["kafka.ssl.truststore.location"] == authority


@pytest.mark.parametrize("client", ["librdkafka", "spark_source"])
@pytest.mark.parametrize("name", ["ssl_ca_location", "ssl_certificate_location", "ssl_key_location"])
def test_a_file_that_is_not_there_or_no_pem_is_named_before_a_client_is_made(
    tmp_path: Path, name: str, client: str
) -> None:
    good = pem(tmp_path, "good.pem", "PRIVATE KEY", "CERTIFICATE")
    files = dict.fromkeys(("ssl_ca_location", "ssl_certificate_location", "ssl_key_location"), good)
    (tmp_path / "empty.pem").write_bytes(b"\xff")
    for bad, said in (("none.pem", "No such file or directory"), ("empty.pem", "it holds no PEM block")):
        settings = kafka(security_protocol="SSL", **{**files, name: str(tmp_path / bad)})
        with pytest.raises(ConfError, match=rf"kafka\.{name}: cannot read .*{bad}: .*{said}") as caught:
            getattr(settings, client)()
        assert "\n" not in str(caught.value)


def pem(folder: Path, name: str, *kinds: str) -> str:
    text = "".join(f"-----BEGIN {kind}-----\nAAAA\n-----END {kind}-----\n" for kind in kinds)
    (folder / name).write_text(text)
    return str(folder / name)


def test_mutual_tls_from_one_file(tmp_path: Path) -> None:
    both = pem(tmp_path, "both.pem", "PRIVATE KEY", "CERTIFICATE")
    settings = kafka(security_protocol="SSL", ssl_certificate_location=both, ssl_key_location=both)
    java = settings.spark_source()
    assert java["kafka.ssl.keystore.type"] == "PEM"
    assert java["kafka.ssl.keystore.location"] == both
    assert "kafka.ssl.keystore.key" not in java
    assert settings.librdkafka()["ssl.certificate.location"] == both


def test_mutual_tls_from_two_files_with_a_password(tmp_path: Path) -> None:
    key = pem(tmp_path, "key.pem", "ENCRYPTED PRIVATE KEY")
    chain = pem(tmp_path, "chain.pem", "CERTIFICATE", "CERTIFICATE")
    settings = kafka(
        security_protocol="SSL",
        ssl_certificate_location=chain,
        ssl_key_location=key,
        ssl_key_password=SecretStr("k"),
    )
    java = settings.spark_source()
    assert java["kafka.ssl.keystore.key"] == Path(key).read_text()
    assert java["kafka.ssl.keystore.certificate.chain"] == Path(chain).read_text()
    assert java["kafka.ssl.key.password"] == "k"
    rdkafka = settings.librdkafka()
    assert (rdkafka["ssl.key.location"], rdkafka["ssl.key.password"]) == (key, "k")


def test_a_key_that_java_cannot_read_is_named_with_the_way_out(tmp_path: Path) -> None:
    key = pem(tmp_path, "key.pem", "RSA PRIVATE KEY")
    settings = kafka(security_protocol="SSL", ssl_certificate_location=key, ssl_key_location=key)
    with pytest.raises(ConfError, match="openssl pkcs8 -topk8"):
        settings.spark_source()
    missing = kafka(security_protocol="SSL", ssl_certificate_location="/none", ssl_key_location="/none")
    with pytest.raises(ConfError, match=r"kafka\.ssl_certificate_location: cannot read /none"):
        missing.spark_source()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"security_protocol": "SASL_SSL"}, "needs sasl_mechanism, sasl_username, sasl_password"),
        ({"sasl_username": "u"}, "does not use sasl_username"),
        ({"ssl_ca_location": "/ca"}, "does not use ssl_ca_location"),
        ({"security_protocol": "SSL", "ssl_key_location": "/k"}, "come together"),
        ({"security_protocol": "SSL", "ssl_key_password": SecretStr("k")}, "without ssl_key_location"),
        ({"bootstrap_servers": "kafka://a:1"}, "pattern"),
        ({"bootstrap_servers": "a:1, b:1"}, "pattern"),
        ({"sasl_mechanism": "GSSAPI"}, "SCRAM-SHA-256"),
    ],
)
def test_contradictions_are_refused(fields: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValidationError, match=expected):
        kafka(**fields)


def test_librdkafka_knows_every_property() -> None:
    """librdkafka refuses unknown names when a client is made, before it connects anywhere."""
    Consumer({**sasl("SCRAM-SHA-256", "SASL_PLAINTEXT").librdkafka(), "group.id": "t"}).close()
    names = {"ssl.ca.location", "ssl.certificate.location", "ssl.key.location", "ssl.key.password"}
    for name in sorted(names):
        with pytest.raises(Exception, match="No such configuration property"):
            Consumer({"group.id": "t", name + "x": "y"})
        Consumer({"group.id": "t", name: "y"}).close()
