"""What a checkpoint is before a stream trusts it: absent, whole and ours, damaged, or another pipeline's.

Invariant: a stream starts on a checkpoint only when it was claimed for this pipeline by a Carillon that keeps its
state in the same way, the files that Spark will read first can be read, and lake and ledger know its last epoch. Works
through Hadoop, because a checkpoint may lie on any file system. Repairs nothing.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from pyspark.sql import SparkSession

from pipelines.edges.manifests import ManifestStore
from pipelines.errors import InputError

#: Of what is kept between two lives of a stream: this folder, manifests, markers. Another number means that it cannot
#: be continued by this Carillon; the CHANGELOG says so under **checkpoint**.
STATE_VERSION = 1
#: Stands in Spark's log for a source that has no offset yet.
_NO_OFFSET = "-"
#: Whose checkpoint it is, beside Spark's own files.
OWNER = "carillon.json"

_ANEW = (
    "Delete or move the folder {path}, then start again: the stream reads its topics from the earliest record, "
    "finishes what the ledger still owes, and sends nothing a second time."
)
_TOGETHER = "Set stream.checkpoint and stream.pipeline to those that belong together."
_LOST_LEDGER = (
    "it was lost, or replaced by an older copy. A stream without it would not recognise what it has sent. Restore the "
    "table 'ledger' first; without a copy of it, read 'What cannot be undone' in docs/runbook.md."
)


class Ledger(NamedTuple):
    """The lake's ledger as it is now: its version and its id, -1 and None without one; and the id of the first one that
    the lake had, None when it had none."""

    version: int
    id: str | None
    first: str | None


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

    def incarnation(self, manifests: ManifestStore, pipeline: str, ledger: Ledger) -> str | None:
        """The id that Spark keeps in it, None when there is no checkpoint yet. Raises `CheckpointError`."""
        owner = self._check_owner(pipeline)
        # A run that was started after the ledger was lost has made another one.
        expected = owner.get("ledger", ledger.first)
        is_known = expected is None or ledger.id == expected
        if (ledger.version < 0 or not is_known) and manifests.incarnations(pipeline):
            what = "no ledger" if ledger.version < 0 else "another ledger"
            raise CheckpointError(
                f"this lake has {what}, and pipeline '{pipeline}' has decided there before: {_LOST_LEDGER}"
            )
        if not self._is_file("metadata"):
            if self._numbers("offsets"):
                raise CheckpointError(self._damaged("metadata", "is missing while there are offsets"))
            return None
        found = self._parse("metadata", self._read("metadata"))
        incarnation = found.get("id") if isinstance(found, dict) else None
        if not isinstance(incarnation, str):
            raise CheckpointError(self._damaged("metadata", "has no id"))
        self._check_logs()
        if committed := self._numbers("commits"):
            self._check_last(manifests, f"{pipeline}/{incarnation}", committed[-1], ledger.version)
        return incarnation

    def reached(self) -> dict[str, dict[str, int]]:
        """Up to which offsets Spark has committed its epochs, by topic and partition; empty before the first."""
        committed = self._numbers("commits")
        if not committed:
            return {}
        said = self._read(f"offsets/{committed[-1]}").splitlines()[2]
        found: dict[str, dict[str, int]] = {} if said == _NO_OFFSET else json.loads(said)
        return found

    def claim(self, pipeline: str, ledger_id: str) -> None:
        """Write into it whose it is and with which ledger it goes, so that it is known before its first epoch is
        committed."""
        document = json.dumps({"pipeline": pipeline, "state_version": STATE_VERSION, "ledger": ledger_id})
        stream = self._files.create(self._at(OWNER), True)
        try:
            stream.write(bytearray(document.encode()))
        finally:
            stream.close()

    def _check_owner(self, pipeline: str) -> dict[str, Any]:
        try:
            owner: dict[str, Any] = json.loads(self._read(OWNER)) if self._is_file(OWNER) else {}
        except ValueError:  # whoever claimed it died while writing: the manifests still say whose it is
            owner = {}
        found = owner.get("pipeline", pipeline)
        if found != pipeline:
            raise CheckpointError(
                f"the checkpoint {self._path} is that of pipeline '{found}', not of '{pipeline}'. {_TOGETHER}"
            )
        # The first Carillon did not write it down.
        version = owner.get("state_version", STATE_VERSION)
        if version != STATE_VERSION:
            raise CheckpointError(
                f"the checkpoint {self._path} has state version {version}, and this Carillon continues only "
                f"{STATE_VERSION}. Let the Carillon that wrote it work off what is in the topics "
                "(`send_triggered --available-now`). Then: " + _ANEW.format(path=self._path)
            )
        return owner

    def _check_last(self, manifests: ManifestStore, app_id: str, epoch: int, ledger_version: int) -> None:
        manifest = manifests.find(app_id, epoch)
        if manifest is None:
            raise CheckpointError(
                f"the checkpoint {self._path} ends with epoch {epoch}, and this lake has no manifest of it for "
                f"pipeline '{app_id.partition('/')[0]}': it is another pipeline's or another lake's. {_TOGETHER}"
            )
        if ledger_version < manifest.ledger_version:
            raise CheckpointError(
                f"the ledger of this lake has version {ledger_version}, and epoch {epoch} of the checkpoint "
                f"{self._path} was decided with version {manifest.ledger_version}: {_LOST_LEDGER}"
            )

    def _check_logs(self) -> None:
        """The entries that Spark reads at a start: the last two offsets and the last commit."""
        for folder, count, lines in (("offsets", 2, 3), ("commits", 1, 2)):
            for number in self._numbers(folder)[-count:]:
                name = f"{folder}/{number}"
                said = self._read(name).splitlines()
                if len(said) < lines or not said[0].startswith("v"):
                    raise CheckpointError(self._damaged(name, f"has {len(said)} lines of at least {lines}"))
                for line in said[1:]:
                    if line != _NO_OFFSET:
                        self._parse(name, line)

    def _parse(self, name: str, text: str) -> Any:
        try:
            return json.loads(text)
        except ValueError:
            raise CheckpointError(self._damaged(name, "is not the JSON that Spark wrote")) from None

    def _damaged(self, name: str, what: str) -> str:
        return f"the checkpoint {self._path} is damaged: {name} {what}. {_ANEW.format(path=self._path)}"

    def _is_file(self, name: str) -> bool:
        return bool(self._files.isFile(self._at(name)))

    def _numbers(self, folder: str) -> list[int]:
        """The numbered files of a log, in their order."""
        if not self._files.exists(self._at(folder)):
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
