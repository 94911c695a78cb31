"""What a failure inside Spark was, in the terms of this package.

Invariant: an error that a task raised on an executor, and a server's refusal that Spark met, come back as the
exceptions that the driver raises for the same thing; whatever is neither stays as it is, with its trace. Spark hands
over the text of the one and the Java cause of the other, so both are read from there.
"""

from __future__ import annotations

import errno
import re

from pyspark.errors import PySparkException

from pipelines.edges.objects import StorageError
from pipelines.edges.progress import FencedError, ForeignMarkerError, ProgressUnreadableError
from pipelines.edges.publisher import ProducerFencedError, PublishError
from pipelines.errors import FILE_GONE, InputError, ServerError

#: The last line of a Python trace: `package.module.Name: message`.
_RAISED = re.compile(r"^(?:[\w.]+\.)?(\w+): (.*)$", re.MULTILINE)

#: Java's exceptions of a server that cannot be reached or does not do what was asked, by what serves there.
_SERVERS = (
    ("Kafka", re.compile(r"org\.apache\.kafka\.common\.(?:errors\.\w+|KafkaException): ([^\n]*)")),
    (
        "S3",
        re.compile(
            r"(?:software\.amazon\.awssdk\.[\w.]+|org\.apache\.hadoop\.fs\.s3a\.[\w.]+|"
            r"java\.nio\.file\.AccessDeniedException|java\.net\.\w+Exception): ([^\n]*)"
        ),
    ),
)
_ADVICE = {
    "Kafka": "Check that it runs, kafka.bootstrap_servers and the security settings",
    "S3": "Check that it runs, lake.endpoint_url, lake.root and the credentials",
}

#: What was there and is not any more. Spark says of the first that setting an option would help; it would skip.
_GONE = (
    (
        re.compile(r"Some data may have been lost because [^;]*;[\s\S]*?Reason:\s*([^\n]*)"),
        "records that were not worked on are not available in Kafka any more ({0}). Nothing is skipped by itself: "
        "lengthen the retention of the input topics, then decide about the gap. With the checkpoint deleted or moved "
        "the stream reads from the earliest record and sends nothing a second time.",
    ),
    (
        re.compile(
            r"(?:FileNotFoundException|FILE_NOT_EXIST\S*|FILE_NOT_FOUND\S*)[^\n]*?(s3a?://\S+|file:/\S+)"
        ),
        FILE_GONE,
    ),
)
#: Java and Python say it in the same words.
_FULL = "No space left on device"


def explain(error: Exception) -> Exception:
    """The exception to report in place of `error`."""
    from py4j.protocol import Py4JError

    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return _disk_is_full()
    if not isinstance(error, PySparkException | Py4JError):
        return error
    text = whole_text(error)
    return _from_executor(text) or _from_input(text) or _from_disk(text) or _from_server(text) or error


def whole_text(error: Exception) -> str:
    """The message and the chain of Java causes."""
    origin = getattr(error, "java_exception", None) or getattr(error, "_origin", None)
    texts = [str(error)]
    for _ in range(20):
        if origin is None:
            break
        texts.append(str(origin.toString()))
        origin = origin.getCause()
    return "\n".join(texts)


def _from_executor(text: str) -> Exception | None:
    for name, message in _RAISED.findall(text):
        if name in (FencedError.__name__, ProducerFencedError.__name__):
            found = re.match(r"pipeline '(.*?)' was taken over", message)
            return FencedError(found.group(1) if found else "?")
        if name == ForeignMarkerError.__name__:
            found = re.search(r"progress of pipeline '(.*?)' from another lake", message)
            return ForeignMarkerError(found.group(1) if found else "?")
        for kind in (PublishError, ProgressUnreadableError, InputError, ServerError, StorageError):
            if name == kind.__name__:
                return kind(message)
    return None


def _from_input(text: str) -> InputError | None:
    for pattern, words in _GONE:
        found = pattern.search(text)
        if found:
            return InputError(words.format(found.group(1).strip()[:300]))
    return None


def _from_disk(text: str) -> ServerError | None:
    return _disk_is_full() if _FULL in text else None


def _disk_is_full() -> ServerError:
    return ServerError(
        f"{_FULL}: a disk under stream.checkpoint, under Spark's local folders (spark.local.dir) or under TMPDIR is "
        "full. Nothing is half recorded: free some space and start again."
    )


def _from_server(text: str) -> ServerError | None:
    for server, pattern in _SERVERS:
        found = pattern.search(text)
        if found:
            return ServerError(
                f"{server} did not answer as needed: {found.group(1)[:300]}. {_ADVICE[server]}."
            )
    return None
