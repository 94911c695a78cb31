"""What a checkpoint is before a stream trusts it: absent, whole and ours, damaged, or another pipeline's.

Invariant: a stream starts on a checkpoint only when the files that Spark will read first can be read, and this lake
knows its last epoch. Reads through Hadoop, because a checkpoint may lie on any file system. Repairs nothing.
"""

from __future__ import annotations

import json
from typing import Any

from pyspark.sql import SparkSession

from pipelines.edges.manifests import ManifestStore
from pipelines.errors import InputError

_ANEW = (
    "Delete or move the folder {path}, then start again: the stream reads its topics from the earliest record, "
    "finishes what the ledger still owes, and sends nothing a second time."
)


class CheckpointError(InputError):
    """A checkpoint that must not be used; the message says why and what to do."""


class Checkpoint:
    """The checkpoint folder of a stream."""

    def __init__(self, spark: SparkSession, path: str) -> None:
        jvm = spark._jvm
        assert jvm is not None
        self._path = path
        self._jvm = jvm
        # py4j gives a class for a path and a package for a prefix of one; so everything here is Any.
        self._hadoop: Any = jvm.org.apache.hadoop.fs
        self._files: Any = self._hadoop.Path(path).getFileSystem(
            spark._jsparkSession.sessionState().newHadoopConf()
        )

    def incarnation(self, manifests: ManifestStore, pipeline: str) -> str | None:
        """The id that Spark keeps in it, None when there is no checkpoint yet. Raises `CheckpointError`."""
        if not self._exists("metadata"):
            if self._numbers("offsets"):
                raise CheckpointError(self._damaged("metadata", "is missing while there are offsets"))
            return None
        found = self._parse("metadata", self._read("metadata"))
        incarnation = found.get("id") if isinstance(found, dict) else None
        if not isinstance(incarnation, str):
            raise CheckpointError(self._damaged("metadata", "has no id"))
        self._check_logs()
        committed = self._numbers("commits")
        if committed and manifests.find(f"{pipeline}/{incarnation}", committed[-1]) is None:
            raise CheckpointError(
                f"the checkpoint {self._path} ends with epoch {committed[-1]}, and this lake has no manifest of it for "
                f"pipeline '{pipeline}': it is another pipeline's or another lake's. Set stream.checkpoint and "
                "stream.pipeline to those that belong together."
            )
        return incarnation

    def _check_logs(self) -> None:
        """The entries that Spark reads at a start: the last two offsets and the last commit."""
        for folder, count, lines in (("offsets", 2, 3), ("commits", 1, 2)):
            for number in self._numbers(folder)[-count:]:
                name = f"{folder}/{number}"
                said = self._read(name).splitlines()
                if len(said) < lines or not said[0].startswith("v"):
                    raise CheckpointError(self._damaged(name, f"has {len(said)} lines of at least {lines}"))
                for line in said[1:]:
                    # "-" stands for a source that has no offset yet.
                    if line != "-":
                        self._parse(name, line)

    def _parse(self, name: str, text: str) -> Any:
        try:
            return json.loads(text)
        except ValueError:
            raise CheckpointError(self._damaged(name, "is not the JSON that Spark wrote")) from None

    def _damaged(self, name: str, what: str) -> str:
        return f"the checkpoint {self._path} is damaged: {name} {what}. {_ANEW.format(path=self._path)}"

    def _exists(self, name: str) -> bool:
        return bool(self._files.exists(self._at(name)))

    def _numbers(self, folder: str) -> list[int]:
        """The numbered files of a log, in their order."""
        if not self._exists(folder):
            return []
        names = [status.getPath().getName() for status in self._files.listStatus(self._at(folder))]
        return sorted(int(name) for name in names if name.isdigit())

    def _read(self, name: str) -> str:
        stream = self._files.open(self._at(name))
        try:
            return str(self._jvm.org.apache.commons.io.IOUtils.toString(stream, "UTF-8"))
        finally:
            stream.close()

    def _at(self, name: str) -> Any:
        return self._hadoop.Path(self._path, name)
