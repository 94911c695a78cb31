"""How to reach Kafka: one model, turned into librdkafka's property names and into Spark's.

Invariant: both clients get the same brokers, the same identity and the same trust, because both maps are made
here. It does not hold producer or consumer tuning; that belongs to the code that owns the client.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, model_validator

from conf.base import Section
from conf.errors import ConfError

SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
SaslMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]

_LOGIN_MODULES: dict[str, str] = {
    "PLAIN": "org.apache.kafka.common.security.plain.PlainLoginModule",
    "SCRAM-SHA-256": "org.apache.kafka.common.security.scram.ScramLoginModule",
    "SCRAM-SHA-512": "org.apache.kafka.common.security.scram.ScramLoginModule",
}


class Kafka(Section):
    """Connection to one Kafka cluster."""

    bootstrap_servers: str = Field(pattern=r"^[^\s,/]+:\d{1,5}(,[^\s,/]+:\d{1,5})*$")
    security_protocol: SecurityProtocol = "PLAINTEXT"
    sasl_mechanism: SaslMechanism | None = None
    sasl_username: str | None = Field(default=None, min_length=1)
    sasl_password: SecretStr | None = None
    ssl_ca_location: str | None = None
    ssl_certificate_location: str | None = None
    ssl_key_location: str | None = None
    ssl_key_password: SecretStr | None = None

    @model_validator(mode="after")
    def _check_security(self) -> Kafka:
        sasl = {
            "sasl_mechanism": self.sasl_mechanism,
            "sasl_username": self.sasl_username,
            "sasl_password": self.sasl_password,
        }
        tls = {
            "ssl_ca_location": self.ssl_ca_location,
            "ssl_certificate_location": self.ssl_certificate_location,
            "ssl_key_location": self.ssl_key_location,
            "ssl_key_password": self.ssl_key_password,
        }
        missing = [key for key, value in sasl.items() if value is None]
        unused = [key for key, value in sasl.items() if value is not None]
        if self._has_sasl and missing:
            raise ValueError(f"security_protocol {self.security_protocol} needs {', '.join(missing)} too")
        if not self._has_sasl and unused:
            raise ValueError(
                f"security_protocol {self.security_protocol} does not use {', '.join(unused)}; "
                "use SASL_SSL or remove them"
            )
        unused = [key for key, value in tls.items() if value is not None]
        if not self._has_tls and unused:
            raise ValueError(
                f"security_protocol {self.security_protocol} does not use {', '.join(unused)}; "
                "use SSL or SASL_SSL or remove them"
            )
        if (self.ssl_certificate_location is None) != (self.ssl_key_location is None):
            raise ValueError(
                "ssl_certificate_location and ssl_key_location come together: set both or neither"
            )
        if self.ssl_key_password is not None and self.ssl_key_location is None:
            raise ValueError("ssl_key_password is set without ssl_key_location")
        return self

    @property
    def _has_sasl(self) -> bool:
        return self.security_protocol.startswith("SASL_")

    @property
    def _has_tls(self) -> bool:
        return self.security_protocol.endswith("SSL")

    def librdkafka(self) -> dict[str, str]:
        """Connection properties for confluent-kafka producers, consumers and admin clients. Raises `ConfError`: a
        client made with a file that is not there would answer with a trace."""
        self._check_files()
        options = {"bootstrap.servers": self.bootstrap_servers, "security.protocol": self.security_protocol}
        if self._has_sasl:
            options["sasl.mechanism"] = str(self.sasl_mechanism)
            options["sasl.username"] = str(self.sasl_username)
            options["sasl.password"] = _reveal(self.sasl_password)
        if self.ssl_ca_location:
            options["ssl.ca.location"] = self.ssl_ca_location
        if self.ssl_certificate_location and self.ssl_key_location:
            options["ssl.certificate.location"] = self.ssl_certificate_location
            options["ssl.key.location"] = self.ssl_key_location
        if self.ssl_key_password:
            options["ssl.key.password"] = _reveal(self.ssl_key_password)
        return options

    def spark_source(self) -> dict[str, str]:
        """The same connection as options of Spark's Kafka source: `kafka.` before each Java property. Raises
        `ConfError`."""
        self._check_files()
        options = {"bootstrap.servers": self.bootstrap_servers, "security.protocol": self.security_protocol}
        if self._has_sasl:
            options["sasl.mechanism"] = str(self.sasl_mechanism)
            options["sasl.jaas.config"] = self._jaas()
        if self.ssl_ca_location:
            options["ssl.truststore.type"] = "PEM"
            options["ssl.truststore.location"] = self.ssl_ca_location
        if self.ssl_certificate_location and self.ssl_key_location:
            options["ssl.keystore.type"] = "PEM"
            options.update(self._java_keystore(self.ssl_certificate_location, self.ssl_key_location))
        if self.ssl_key_password:
            options["ssl.key.password"] = _reveal(self.ssl_key_password)
        return {f"kafka.{name}": value for name, value in options.items()}

    def _check_files(self) -> None:
        for name in ("ssl_ca_location", "ssl_certificate_location", "ssl_key_location"):
            if location := getattr(self, name):
                _read_pem(f"kafka.{name}", location)

    def _jaas(self) -> str:
        module = _LOGIN_MODULES[str(self.sasl_mechanism)]
        username, password = _jaas_quote(str(self.sasl_username)), _jaas_quote(_reveal(self.sasl_password))
        return f"{module} required username={username} password={password};"

    def _java_keystore(self, certificate_location: str, key_location: str) -> dict[str, str]:
        # The Java client reads key and chain from ONE file; two files must be handed over as their contents.
        key = _read_pem("kafka.ssl_key_location", key_location)
        if "-----BEGIN PRIVATE KEY-----" not in key and "-----BEGIN ENCRYPTED PRIVATE KEY-----" not in key:
            raise ConfError(
                f"kafka.ssl_key_location: {key_location} holds no PKCS#8 private key, the only kind that Java"
                f" reads.\n  fix: openssl pkcs8 -topk8 -in {key_location} -out key.pk8.pem"
                " (add -nocrypt for a key without password)"
            )
        if certificate_location == key_location:
            return {"ssl.keystore.location": key_location}
        chain = _read_pem("kafka.ssl_certificate_location", certificate_location)
        return {"ssl.keystore.key": key, "ssl.keystore.certificate.chain": chain}


def _reveal(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""


def _jaas_quote(value: str) -> str:
    # Kafka's JAAS parser is a StreamTokenizer: backslash escapes in quotes, a raw line end closes the string.
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return f'"{escaped}"'


def _read_pem(key_path: str, location: str) -> str:
    try:
        # Beside the blocks a file may hold notes in any encoding.
        text = Path(location).read_text(encoding="ascii", errors="replace")
        reason = "" if "-----BEGIN " in text else "it holds no PEM block"
    except OSError as problem:
        text, reason = "", str(problem.strerror)
    if reason:
        raise ConfError(
            f"{key_path}: cannot read {location}: {reason}. It must be a PEM file on this machine."
        )
    return text
