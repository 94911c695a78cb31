"""One lake model, two clients: boto3 and S3A see the same bucket with the same identity."""

from __future__ import annotations

import zipfile
from typing import Any

import boto3
import pytest
from pydantic import ValidationError

from conf import Lake

KEYS = {"access_key_id": "AKIDEXAMPLE", "secret_access_key": "hush"}


def lake(**fields: Any) -> Lake:
    return Lake.model_validate({"root": "s3a://bucket/a/b", **fields})


def test_places() -> None:
    assert (lake().bucket, lake().prefix) == ("bucket", "a/b")
    assert lake().key("pointers", "audience.json") == "a/b/pointers/audience.json"
    assert lake().uri("ledger") == "s3a://bucket/a/b/ledger"
    whole = lake(root="s3a://bucket/")
    assert (whole.root, whole.prefix, whole.key("x")) == ("s3a://bucket", "", "x")


def test_boto3_on_an_endpoint_with_keys() -> None:
    client = boto3.client(
        "s3", **lake(endpoint_url="http://127.0.0.1:9000/", path_style_access=True, **KEYS).boto3()
    )
    assert client.meta.endpoint_url == "http://127.0.0.1:9000"
    url = client.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "k"})
    assert url.startswith("http://127.0.0.1:9000/bucket/k?")
    assert "AKIDEXAMPLE" in url


def test_boto3_without_keys_leaves_the_chain_alone() -> None:
    assert not {"aws_access_key_id", "aws_secret_access_key", "endpoint_url"} & lake().boto3().keys()


def test_hadoop_on_a_plain_http_endpoint_with_keys() -> None:
    options = lake(endpoint_url="http://127.0.0.1:9000", path_style_access=True, **KEYS).hadoop()
    assert options["fs.s3a.endpoint"] == "http://127.0.0.1:9000"
    assert options["fs.s3a.connection.ssl.enabled"] == "false"
    assert options["fs.s3a.path.style.access"] == "true"
    assert options["fs.s3a.access.key"] == "AKIDEXAMPLE"
    assert options["fs.s3a.secret.key"] == "hush"
    assert options["fs.s3a.aws.credentials.provider"].endswith("SimpleAWSCredentialsProvider")


def test_hadoop_on_aws_uses_the_chain() -> None:
    options = lake(region="eu-central-1").hadoop()
    assert options["fs.s3a.endpoint.region"] == "eu-central-1"
    assert options["fs.s3a.aws.credentials.provider"].endswith(".DefaultCredentialsProvider")
    assert not {"fs.s3a.endpoint", "fs.s3a.access.key", "fs.s3a.connection.ssl.enabled"} & options.keys()


def test_https_endpoints_keep_tls() -> None:
    assert lake(endpoint_url="https://s3.example.org").hadoop()["fs.s3a.connection.ssl.enabled"] == "true"


def test_hadoop_knows_every_option() -> None:
    """S3A ignores what it does not know; every name must stand in the jar's own table of constants."""
    from conf.spark import connectors_dir

    jars = list(connectors_dir().glob("hadoop-aws-*.jar"))
    if not jars:
        pytest.skip("the connectors are not fetched on this machine")
    with zipfile.ZipFile(jars[0]) as jar:
        constants = jar.read("org/apache/hadoop/fs/s3a/Constants.class")
    options = lake(endpoint_url="http://127.0.0.1:9000", **KEYS).hadoop()
    assert [name for name in options if name.encode() not in constants] == []


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"root": "s3://bucket/x"}, "write s3a://bucket/x"),
        ({"root": "/data/lake"}, "expected s3a://"),
        ({"root": "s3a://bucket//x"}, "empty folder name"),
        ({"endpoint_url": "http://host/path"}, "expected http"),
        ({"access_key_id": "a"}, "come together"),
    ],
)
def test_contradictions_are_refused(fields: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValidationError, match=expected):
        lake(**fields)
