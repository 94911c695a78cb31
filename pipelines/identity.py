"""Deterministic ids: every id is a hash of its inputs, so a replay makes the same ones.

Invariant: the Column form and the Python form of an id agree byte for byte (tested), so that Spark, the
publisher and a foreign consumer can each compute it. Nothing here reads a clock or a random source.
"""

from __future__ import annotations

import hashlib
import uuid
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    import numpy.typing as npt
    from pyspark.sql import Column

#: Namespace of all Carillon ids: UUIDv5 of the DNS namespace and the project's own name (RFC 9562, section 5.5).
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "carillon.example.org")

#: Joins the parts of an id. A unit separator cannot be typed into an id by accident, so parts cannot run together.
SEPARATOR = "\x1f"

#: Version nibble and variant bits as RFC 9562 sets them: the 17th hex digit keeps its two low bits.
_VARIANT_FROM, _VARIANT_TO = "0123456789abcdef", "89ab89ab89ab89ab"

#: Where the digits of a UUID's text are; all else are hyphens.
_UUID_LENGTH = 36
_HEX_PLACES = np.array([place for place in range(_UUID_LENGTH) if place not in (8, 13, 18, 23)])
_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)


def uuid5(*parts: str) -> str:
    """The UUIDv5 of the parts, as text."""
    return str(uuid.uuid5(NAMESPACE, SEPARATOR.join(parts)))


def uuid5_column(*parts: Column) -> Column:
    """The same as `uuid5`, as a Column; a null part counts as the empty string."""
    from pyspark.sql import functions as F

    text = F.concat_ws(SEPARATOR, *[F.coalesce(part.cast("string"), F.lit("")) for part in parts])
    digest = F.sha1(F.concat(F.lit(NAMESPACE.bytes), F.encode(text, "UTF-8")))
    return F.concat(
        F.substring(digest, 1, 8),
        F.lit("-"),
        F.substring(digest, 9, 4),
        F.lit("-5"),
        F.substring(digest, 14, 3),
        F.lit("-"),
        F.translate(F.substring(digest, 17, 1), _VARIANT_FROM, _VARIANT_TO),
        F.substring(digest, 18, 3),
        F.lit("-"),
        F.substring(digest, 21, 12),
    )


def uuid5_of(prefix: Sequence[str], *parts: pa.Array) -> pa.Array:
    """The same as `uuid5` for each row, of parts that all rows share and of each row's own; a null part counts as the
    empty string."""
    texts = pc.binary_join_element_wise(*(pc.fill_null(part, "") for part in parts), SEPARATOR)
    begun = hashlib.sha1(NAMESPACE.bytes + "".join(f"{part}{SEPARATOR}" for part in prefix).encode())
    digests = []
    for text in texts.cast(pa.binary()).to_pylist():
        hashed = begun.copy()
        hashed.update(text)
        digests.append(hashed.digest())
    return _as_uuids(np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 20)[:, :16].copy())


def _as_uuids(digests: npt.NDArray[np.uint8]) -> pa.Array:
    """Digests of 16 bytes as the text of UUIDs of version 5."""
    digests[:, 6] = digests[:, 6] & 0x0F | 0x50
    digests[:, 8] = digests[:, 8] & 0x3F | 0x80
    texts = np.full((len(digests), _UUID_LENGTH), ord("-"), np.uint8)
    texts[:, _HEX_PLACES[0::2]] = _HEX[digests >> 4]
    texts[:, _HEX_PLACES[1::2]] = _HEX[digests & 0x0F]
    offsets = np.arange(len(digests) + 1, dtype=np.int32) * _UUID_LENGTH
    return pa.StringArray.from_buffers(len(digests), pa.py_buffer(offsets), pa.py_buffer(texts))


def message_id_column(campaign_id: Column, source_id: Column, customer_id: Column, channel: Column) -> Column:
    """`message_id`: one per (campaign, run or trigger or event, customer, channel)."""
    return uuid5_column(campaign_id, source_id, customer_id, channel)


def send_partition_column(customer_id: Column, send_partitions: int) -> Column:
    """The hash shard of a recipient: all messages of a customer go through one shard, whatever Spark's own
    partitioning is. CRC-32 because any language can compute it again."""
    from pyspark.sql import functions as F

    return F.pmod(F.crc32(F.encode(customer_id, "UTF-8")), F.lit(send_partitions)).cast("int")


def crc32_of(texts: pa.Array) -> npt.NDArray[np.int64]:
    """CRC-32 of each text's UTF-8; none is null. Its remainder by the send partitions is `send_partition_column`."""
    return np.fromiter(map(zlib.crc32, texts.cast(pa.binary()).to_pylist()), np.int64, len(texts))
