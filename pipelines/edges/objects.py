"""Small objects on S3: read, write, write once, list. The lake's pointers, manifests and campaign bundles are objects.

Invariant: `create` never replaces an object (`If-None-Match: *`), so of two writers exactly one wins and the other
reads what the winner wrote. Does not touch Delta tables.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from http import HTTPStatus
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from conf import Lake

#: How often a conflict is met before it is one of the endpoint's, as `logstore` does for the commits of tables.
_CONFLICTS_MAX = 10
_CONFLICT_PAUSE_S = 0.05


class StorageError(Exception):
    """The S3 endpoint did not do what was asked; the message says which object, what was found and what to check."""


@dataclass(frozen=True)
class StoredObject:
    """The name of an object under the lake's root, the digest S3 keeps of its content, and when it was written."""

    name: str
    etag: str
    modified: datetime


@lru_cache(maxsize=8)
def _client_of(bucket: Lake) -> Any:
    """The client of a bucket's endpoint, for as long as the process lives: boto3 takes 50 ms to make one, and a stream
    asks for seven before its first epoch. It may be used by many threads."""
    return boto3.client("s3", **bucket.boto3())


class ObjectStore:
    """Objects under the root of one lake."""

    def __init__(self, lake: Lake) -> None:
        self._bucket = lake.bucket
        self._prefix = f"{lake.prefix}/" if lake.prefix else ""
        self._where = f"{lake.root} at {lake.endpoint_url or 'AWS'}"
        self._client = _client_of(lake.model_copy(update={"root": f"s3a://{lake.bucket}"}))

    def read(self, name: str) -> bytes | None:
        """The content, or None when there is no such object."""
        try:
            return bytes(self._client.get_object(Bucket=self._bucket, Key=self._prefix + name)["Body"].read())
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                return None
            raise self._explain("read", name, error) from None
        except BotoCoreError as error:
            raise self._explain("read", name, error) from None

    def read_json(self, name: str) -> dict[str, Any] | None:
        """The content as a JSON object, or None when there is no such object."""
        content = self.read(name)
        return None if content is None else dict(json.loads(content))

    def write(self, name: str, content: bytes) -> None:
        """Write or replace; readers see the old content or the new, never a part."""
        self._put("write", name, content, {})

    def write_json(self, name: str, document: dict[str, Any]) -> None:
        self.write(name, canonical_json(document))

    def create(self, name: str, content: bytes) -> bool:
        """Write unless the object exists; False when it did. A retry that meets its own earlier success counts as
        a success, because the content is then the same."""
        for attempt in range(_CONFLICTS_MAX):
            try:
                self._put("create", name, content, {"IfNoneMatch": "*"})
                return True
            except _AlreadyThereError:
                return self.read(name) == content
            except _ConflictError as error:
                if attempt == _CONFLICTS_MAX - 1:
                    raise self._explain("create", name, error) from None
                time.sleep(_CONFLICT_PAUSE_S)
        raise AssertionError("not reached")

    def delete(self, name: str) -> None:
        try:
            self._client.delete_object(Bucket=self._bucket, Key=self._prefix + name)
        except (ClientError, BotoCoreError) as error:
            raise self._explain("delete", name, error) from None

    def folders(self, prefix: str) -> list[str]:
        """The names directly under `prefix`, which ends in a slash, that have something under them."""
        pages = self._pages(prefix, {"Delimiter": "/"})
        found = [item["Prefix"] for page in pages for item in page.get("CommonPrefixes", [])]
        return [name[len(self._prefix) + len(prefix) : -1] for name in found]

    def list(self, prefix: str, after: str = "") -> list[StoredObject]:
        """All objects whose name begins with `prefix` and comes after `after`, in the order of their names."""
        start = {"StartAfter": self._prefix + after} if after else {}
        return [
            StoredObject(item["Key"][len(self._prefix) :], item["ETag"], item["LastModified"])
            for page in self._pages(prefix, start)
            for item in page.get("Contents", [])
        ]

    def _pages(self, prefix: str, extra: dict[str, str]) -> Iterator[dict[str, Any]]:
        try:
            yield from self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix + prefix, **extra
            )
        except (ClientError, BotoCoreError) as error:
            raise self._explain("list", prefix, error) from None

    def _put(self, verb: str, name: str, content: bytes, extra: dict[str, str]) -> None:
        try:
            self._client.put_object(Bucket=self._bucket, Key=self._prefix + name, Body=content, **extra)
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            if status == HTTPStatus.PRECONDITION_FAILED:
                raise _AlreadyThereError(name) from None
            if status == HTTPStatus.CONFLICT and extra:
                raise _ConflictError(str(error)) from None
            raise self._explain(verb, name, error) from None
        except BotoCoreError as error:
            raise self._explain(verb, name, error) from None

    def _explain(self, verb: str, name: str, error: Exception) -> StorageError:
        return StorageError(
            f"cannot {verb} '{name}' in {self._where}: {error}. Check lake.root, lake.endpoint_url and the credentials."
        )


class JsonFolder:
    """The JSON objects `{folder}{name}.json`; one is read again only when its ETag has changed."""

    def __init__(self, objects: ObjectStore, folder: str) -> None:
        self._objects = objects
        self._folder = folder
        self._read: dict[str, tuple[str, dict[str, Any]]] = {}

    def all(self) -> dict[str, dict[str, Any]]:
        """Each document by its name, as of now."""
        found = {}
        for item in self._objects.list(self._folder):
            known = self._read.get(item.name)
            if known is None or known[0] != item.etag:
                document = self._objects.read_json(item.name)
                if document is None:  # removed between the listing and the reading
                    continue
                known = (item.etag, document)
                self._read[item.name] = known
            found[item.name.removeprefix(self._folder).removesuffix(".json")] = known[1]
        return found


class _AlreadyThereError(Exception):
    """A conditional write found the object."""


class _ConflictError(Exception):
    """S3 could not decide between conditional writes or deletions in flight, and asks for another try."""


def canonical_json(document: dict[str, Any]) -> bytes:
    """One byte form per document, so that equal documents have equal digests."""
    return json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
