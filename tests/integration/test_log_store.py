"""The Delta log store and a checkpoint's files against S3's answers: won, lost, lost to oneself, told to try again."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from embedded.faulty_s3 import Fault, FaultyS3, no_fault
from embedded.servers import EmbeddedServers

OURS = ['{"commitInfo":{"txnId":"ours"}}', '{"add":{"path":"ä🙂"}}']
THEIRS = ['{"commitInfo":{"txnId":"theirs"}}']


BUCKET = "behind-a-door"


@pytest.fixture(scope="module")
def module_door(servers: EmbeddedServers) -> Iterator[FaultyS3]:
    with FaultyS3(servers.s3.endpoint_url) as door:
        servers.s3.create_bucket(BUCKET)
        yield door


@pytest.fixture
def door(module_door: FaultyS3) -> FaultyS3:
    module_door.rule = no_fault
    return module_door


class LogStore:
    """The log store as Delta calls it, talking to S3 through the door."""

    def __init__(self, spark: SparkSession, door: FaultyS3, folder: str) -> None:
        jvm: Any = spark._jvm
        self._jvm = jvm
        self._conf = self._jvm.org.apache.hadoop.conf.Configuration(spark._jsc.hadoopConfiguration())
        # A bucket of its own: Hadoop keeps one file system for each, and the session's has another endpoint.
        self._conf.set(f"fs.s3a.bucket.{BUCKET}.endpoint", door.endpoint_url)
        self._store = self._jvm.carillon.S3ConditionalLogStore(self._conf)
        self._path = self._jvm.org.apache.hadoop.fs.Path(f"{folder}/_delta_log/00000000000000000000.json")

    def write(self, actions: list[str], overwrite: bool = False) -> str | None:
        """The name of the exception's class, or None when the write is acknowledged."""
        from py4j.protocol import Py4JJavaError

        lines = self._jvm.java.util.ArrayList()
        for action in actions:
            lines.add(action)
        try:
            self._store.write(self._path, lines.iterator(), overwrite, self._conf)
        except Py4JJavaError as error:
            return str(error.java_exception.getClass().getName())
        return None

    def read(self) -> list[str]:
        return list(self._store.read(self._path, self._conf))

    def has_commit(self) -> bool:
        return bool(self._path.getFileSystem(self._conf).exists(self._path))


@pytest.fixture
def store(spark: SparkSession, door: FaultyS3) -> LogStore:
    return LogStore(spark, door, f"s3a://{BUCKET}/{uuid.uuid4().hex}")


class FirstCommit:
    """A rule: the first PUT of a commit file meets the fault; counts the PUTs and their conditions."""

    def __init__(self, fault: Fault, times: int = 1) -> None:
        self._fault, self._times = fault, times
        self.conditions: list[str | None] = []

    def __call__(self, method: str, path: str, headers: Mapping[str, str]) -> Fault | None:
        if method != "PUT" or "_delta_log" not in path:
            return None
        self.conditions.append(headers.get("If-None-Match"))
        return self._fault if len(self.conditions) <= self._times else None


def test_the_second_writer_of_a_version_is_refused(store: LogStore) -> None:
    assert store.write(OURS) is None
    assert store.write(THEIRS) == "java.nio.file.FileAlreadyExistsException"
    assert store.read() == OURS


def test_overwriting_replaces(store: LogStore) -> None:
    store.write(OURS)
    assert store.write(THEIRS, overwrite=True) is None
    assert store.read() == THEIRS


def test_a_create_carries_the_condition(store: LogStore, door: FaultyS3) -> None:
    door.rule = rule = FirstCommit(Fault())
    store.write(OURS)
    assert rule.conditions == ["*"]


def test_a_lost_answer_is_not_a_lost_race(store: LogStore, door: FaultyS3) -> None:
    door.rule = rule = FirstCommit(Fault(lose_reply=True))
    assert store.write(OURS) is None
    assert rule.conditions == ["*", "*"], (
        "the client below did not repeat the request: this test tests nothing"
    )
    assert store.read() == OURS


def test_a_conflict_is_tried_again(store: LogStore, door: FaultyS3) -> None:
    door.rule = rule = FirstCommit(Fault(status=409, error_code="ConditionalRequestConflict"), times=3)
    assert store.write(OURS) is None
    assert len(rule.conditions) == 4
    assert store.read() == OURS


def test_a_refusal_is_an_error_and_leaves_nothing(store: LogStore, door: FaultyS3) -> None:
    door.rule = FirstCommit(Fault(status=403, error_code="AccessDenied"), times=100)
    assert store.write(OURS) == "java.nio.file.AccessDeniedException"
    door.rule = FirstCommit(Fault(), times=0)
    assert not store.has_commit()


class Checkpoint:
    """The files of a checkpoint as Spark writes them, through the door or on the disk."""

    def __init__(self, spark: SparkSession, door: FaultyS3, folder: str) -> None:
        jvm: Any = spark._jvm
        conf = jvm.org.apache.hadoop.conf.Configuration(spark._jsc.hadoopConfiguration())
        conf.set(f"fs.s3a.bucket.{BUCKET}.endpoint", door.endpoint_url)
        folder_path = jvm.org.apache.hadoop.fs.Path(folder)
        self._manager = jvm.carillon.S3ConditionalCheckpoints(folder_path, conf)
        self._manager.mkdirs(folder_path)
        self._path = jvm.org.apache.hadoop.fs.Path
        self._folder = folder
        self._offsets = self._path(f"{folder}/7")

    def begin(self, content: bytes, overwrite: bool = False) -> Any:
        """A stream with the content, which is not ended."""
        stream = self._manager.createAtomic(self._offsets, overwrite)
        stream.write(content)
        return stream

    def write(self, content: bytes, overwrite: bool = False) -> str | None:
        """The name of the exception's class, or None when the epoch's offsets are written."""
        from py4j.protocol import Py4JJavaError

        try:
            self.begin(content, overwrite).close()
        except Py4JJavaError as error:
            return str(error.java_exception.getClass().getName())
        return None

    def read(self) -> bytes | None:
        if not self._manager.exists(self._offsets):
            return None
        stream = self._manager.open(self._offsets)
        try:
            return bytes(stream.readAllBytes())
        finally:
            stream.close()

    def exists(self, name: str) -> bool:
        return bool(
            self._manager.exists(self._path(self._folder, name) if name else self._path(self._folder))
        )

    def names(self) -> list[str]:
        return sorted(status.getPath().getName() for status in self._manager.list(self._path(self._folder)))


EXISTS = "org.apache.hadoop.fs.FileAlreadyExistsException"


@pytest.mark.parametrize("where", ["s3", "disk"])
def test_of_two_drivers_one_writes_an_epochs_offsets(
    spark: SparkSession, door: FaultyS3, tmp_path: Path, where: str
) -> None:
    folder = f"s3a://{BUCKET}/{uuid.uuid4().hex}" if where == "s3" else f"file://{tmp_path}/offsets"
    checkpoint = Checkpoint(spark, door, folder)
    given_up = checkpoint.begin(b"half")
    given_up.cancel()
    given_up.close()
    begun = checkpoint.begin(b"v1 ours")
    assert checkpoint.read() is None
    begun.close()
    begun.close()
    assert checkpoint.write(b"v1 theirs") == EXISTS
    assert checkpoint.read() == b"v1 ours"
    assert checkpoint.write(b"v1 anew", overwrite=True) is None
    assert checkpoint.read() == b"v1 anew"


def test_an_epochs_offsets_are_sent_once_and_a_lost_answer_is_not_a_lost_race(
    spark: SparkSession, door: FaultyS3
) -> None:
    checkpoint = Checkpoint(spark, door, f"s3a://{BUCKET}/{uuid.uuid4().hex}")
    asked: list[tuple[str, str | None]] = []
    lost = [Fault(lose_reply=True)]

    def note(method: str, _path: str, headers: Mapping[str, str]) -> Fault | None:
        asked.append((method, headers.get("If-None-Match")))
        return lost.pop() if method == "PUT" and lost else None

    door.rule = note
    assert checkpoint.write(b"v1") is None
    puts = [condition for method, condition in asked if method == "PUT"]
    assert puts == ["*", "*"]
    assert checkpoint.read() == b"v1"
    asked.clear()
    assert checkpoint.write(b"v2", overwrite=True) is None
    # S3A asks first whether the name is a folder's.
    assert asked == [("GET", None), ("PUT", None)]


@pytest.mark.parametrize("where", ["s3", "disk"])
def test_a_folder_is_there_before_its_first_file(
    spark: SparkSession, door: FaultyS3, tmp_path: Path, where: str
) -> None:
    folder = f"s3a://{BUCKET}/{uuid.uuid4().hex}" if where == "s3" else f"file://{tmp_path}/offsets"
    asked: list[str] = []

    def note(method: str, _path: str, _headers: Mapping[str, str]) -> Fault | None:
        asked.append(method)
        return None

    door.rule = note
    checkpoint = Checkpoint(spark, door, folder)
    assert checkpoint.exists("")
    # Of a folder S3 is asked nothing, and nothing is made there.
    assert asked == []
    assert checkpoint.names() == []
    asked.clear()
    assert not checkpoint.exists("7")
    assert len(asked) == (1 if where == "s3" else 0)
    checkpoint.write(b"v1")
    assert checkpoint.exists("7")
    assert checkpoint.names() == ["7"]
    # What is no epoch may be a folder, as the state of an operator is.
    assert not checkpoint.exists("state")
    nested = Checkpoint(spark, door, f"{folder}/state/0")
    nested.write(b"v1")
    assert [checkpoint.exists(name) for name in ("state", "state/0", "state/0/7", "state/0/8")] == [
        True,
        True,
        True,
        False,
    ]
