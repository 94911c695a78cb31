"""How to reach the lake on S3: one model, turned into boto3's arguments and into Hadoop's S3A options.

Invariant: Spark, Delta and boto3 see the same bucket through the same endpoint with the same identity.
Retries are those of the two clients, bounded here once; nothing retries on top of them.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from conf.base import Section

# One request: 5 s to connect, 60 s without a byte.
CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 60
# The SDKs' own attempts per request. S3A's invoker repeats a failed call on top, waiting 0.5 s, 1 s, 2 s and
# so on: five times are 16 s, and seven, for throttling (503), 64 s. S3A's default there is 20: days.
ATTEMPTS = 5
RETRIES = 5
THROTTLE_RETRIES = 7
RETRY_INTERVAL_MS = 500

# Hadoop's own default chain lacks web identity tokens (EKS) and profiles; this one has them, as boto3's has.
_AWS_CHAIN = "software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider"
_GIVEN_KEYS = "org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider"


class Lake(Section):
    """The lake's root and the S3 endpoint that serves it."""

    root: str
    endpoint_url: str | None = None
    region: str = Field(default="us-east-1", min_length=1)
    path_style_access: bool = False
    access_key_id: SecretStr | None = None
    secret_access_key: SecretStr | None = None

    @field_validator("root")
    @classmethod
    def _check_root(cls, root: str) -> str:
        parts = urlsplit(root)
        if parts.scheme != "s3a" or not parts.netloc or parts.query or parts.fragment:
            hint = f"; write s3a:{root[3:]}" if root.startswith("s3:") else ""
            raise ValueError(f"expected s3a://BUCKET or s3a://BUCKET/PREFIX, found {root!r}{hint}")
        if "//" in parts.path:
            raise ValueError(f"an empty folder name (//) in {root!r}")
        return root.rstrip("/")

    @field_validator("endpoint_url")
    @classmethod
    def _check_endpoint(cls, endpoint_url: str | None) -> str | None:
        if endpoint_url is None:
            return None
        parts = urlsplit(endpoint_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/"):
            raise ValueError(f"expected http(s)://HOST or http(s)://HOST:PORT, found {endpoint_url!r}")
        return endpoint_url.rstrip("/")

    @model_validator(mode="after")
    def _check_keys(self) -> Lake:
        if (self.access_key_id is None) != (self.secret_access_key is None):
            raise ValueError(
                "access_key_id and secret_access_key come together: set both, or neither for the AWS chain"
            )
        return self

    @property
    def bucket(self) -> str:
        """The bucket's name."""
        return urlsplit(self.root).netloc

    @property
    def prefix(self) -> str:
        """The key prefix without slashes at its ends; empty when the lake is the whole bucket."""
        return urlsplit(self.root).path.strip("/")

    def key(self, *parts: str) -> str:
        """The S3 key of a path under the root: `key("pointers", "audience.json")`."""
        return "/".join(part for part in (self.prefix, *parts) if part)

    def uri(self, *parts: str) -> str:
        """The s3a URI of a path under the root: `uri("ledger")`."""
        return "/".join((self.root, *parts))

    def delta_uri(self, name: str) -> str:
        """A table's URI as the Rust crate object_store spells it, beside `object_store`."""
        return self.uri(name).replace("s3a://", "s3://", 1)

    def boto3(self) -> dict[str, Any]:
        """Keyword arguments for `boto3.client("s3", **kwargs)`."""
        # Imported here: executors and `carillon --help` should not pay for it.
        from botocore.config import Config

        kwargs: dict[str, Any] = {
            "region_name": self.region,
            "config": Config(
                connect_timeout=CONNECT_TIMEOUT_S,
                read_timeout=READ_TIMEOUT_S,
                retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
                s3={"addressing_style": "path" if self.path_style_access else "auto"},
                # Endpoints other than AWS's may refuse the trailing checksums that newer SDKs add unasked.
                request_checksum_calculation="when_required" if self.endpoint_url else "when_supported",
                response_checksum_validation="when_required" if self.endpoint_url else "when_supported",
            ),
        }
        if self.endpoint_url:
            kwargs["endpoint_url"] = self.endpoint_url
        if self.access_key_id and self.secret_access_key:
            kwargs["aws_access_key_id"] = self.access_key_id.get_secret_value()
            kwargs["aws_secret_access_key"] = self.secret_access_key.get_secret_value()
        return kwargs

    def object_store(self) -> dict[str, str]:
        """Options of the Rust crate object_store, which reads Delta tables without Spark."""
        options = {
            "aws_region": self.region,
            "aws_virtual_hosted_style_request": str(not self.path_style_access).lower(),
            "aws_conditional_put": "etag",
            "connect_timeout": f"{CONNECT_TIMEOUT_S}s",
            "timeout": f"{READ_TIMEOUT_S}s",
        }
        if self.endpoint_url:
            options["aws_endpoint"] = self.endpoint_url
            options["allow_http"] = str(self.endpoint_url.startswith("http://")).lower()
        if self.access_key_id and self.secret_access_key:
            options["aws_access_key_id"] = self.access_key_id.get_secret_value()
            options["aws_secret_access_key"] = self.secret_access_key.get_secret_value()
        return options

    def hadoop(self) -> dict[str, str]:
        """Options of Hadoop's S3A (`fs.s3a.*`); put `spark.hadoop.` before each for a Spark configuration."""
        options = {
            "fs.s3a.endpoint.region": self.region,
            "fs.s3a.path.style.access": str(self.path_style_access).lower(),
            # S3A raises anything less to 15 s, and says so at every start.
            "fs.s3a.connection.establish.timeout": "15s",
            "fs.s3a.connection.timeout": f"{READ_TIMEOUT_S}s",
            "fs.s3a.attempts.maximum": str(ATTEMPTS),
            "fs.s3a.retry.limit": str(RETRIES),
            "fs.s3a.retry.interval": f"{RETRY_INTERVAL_MS}ms",
            "fs.s3a.retry.throttle.limit": str(THROTTLE_RETRIES),
            "fs.s3a.retry.throttle.interval": f"{RETRY_INTERVAL_MS}ms",
            "fs.s3a.aws.credentials.provider": _GIVEN_KEYS if self.access_key_id else _AWS_CHAIN,
        }
        if self.endpoint_url:
            options["fs.s3a.endpoint"] = self.endpoint_url
            options["fs.s3a.connection.ssl.enabled"] = str(self.endpoint_url.startswith("https://")).lower()
        if self.access_key_id and self.secret_access_key:
            options["fs.s3a.access.key"] = self.access_key_id.get_secret_value()
            options["fs.s3a.secret.key"] = self.secret_access_key.get_secret_value()
        return options
