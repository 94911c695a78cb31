"""A synthetic audience: the raw extract a shop would drop on S3, in the columns of the audience snapshot.

Invariant: customer n of a seed is the same whatever block it is made in, and nobody in it is real. It does
not validate anything: some addresses and phones are wrong on purpose, as in every real extract.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from examples import columns, people
from examples.draws import Draws

ROWS_PER_GROUP = 100_000  # about 52 MB of Arrow: what bounds the memory of write_extract
ROWS_PER_FILE = 1_000_000  # about 66 MB of Parquet: a few files for Spark to share out, no small ones

EXTRACT_SCHEMA = pa.schema(
    [
        pa.field("customer_id", pa.string(), nullable=False),
        ("email", pa.string()),
        ("phone", pa.string()),
        ("push_token", pa.string()),
        ("first_name", pa.string()),
        ("last_name", pa.string()),
        ("locale", pa.string()),
        ("time_zone", pa.string()),
        ("country", pa.string()),
        ("preferred_channel", pa.string()),
        ("birth_date", pa.date32()),
        ("signup_at", pa.timestamp("us", "UTC")),
        ("lifetime_value", pa.decimal128(12, 2)),
        ("loyalty_points", pa.int64()),
        ("segments", pa.list_(pa.string())),
        ("recent_orders", pa.list_(columns.ORDER)),
        ("consents", pa.list_(columns.CONSENT)),
    ]
)


def customer_id(index: int) -> str:
    """The id of customer number `index`."""
    return f"cust-{index:09d}"


def generate_audience(customers: int, seed: int, start: int = 0) -> pa.Table:
    """Customers `start` to `start + customers - 1` as one table; one row per customer_id."""
    draws = Draws(seed, np.arange(start, start + customers, dtype=np.uint64))
    locale_index = draws.weighted("locale", tuple(locale.parts for locale in people.LOCALES))
    padded = pc.utf8_lpad(pa.array(draws.rows.astype(np.int64)).cast(pa.string()), 9, "0")
    made: dict[str, pa.Array] = {
        "customer_id": pc.binary_join_element_wise("cust-", padded, ""),
        "email": columns.emails(draws, padded),
        "phone": columns.phones(draws),
        "push_token": columns.some(
            pc.binary_join_element_wise("demo-token-", padded, ""), draws.chance("no push", 0.45)
        ),
        **columns.names(draws, locale_index),
        **columns.places(draws, locale_index),
        "preferred_channel": columns.pick(
            [*columns.CHANNELS, None], draws.weighted("preferred", (55, 15, 20, 10))
        ),
        "birth_date": columns.some(columns.birth_dates(draws), draws.chance("no birth date", 0.25)),
        "signup_at": columns.times(columns.AS_OF, draws.below("signup", 8 * 365 * 86_400)),
        "lifetime_value": columns.some(columns.money(draws), draws.chance("no value", 0.02)),
        "loyalty_points": columns.some(
            pa.array(draws.below("points", 20_000)), draws.chance("no points", 0.15)
        ),
        "segments": columns.segments(draws),
        "recent_orders": columns.recent_orders(draws, locale_index),
        "consents": columns.consents(draws),
    }
    return pa.table(made, schema=EXTRACT_SCHEMA)


@dataclass(frozen=True)
class Extract:
    """What write_extract wrote."""

    files: tuple[str, ...]
    customers: int
    size_bytes: int


def write_extract(
    folder: str,
    customers: int,
    seed: int,
    *,
    filesystem: pafs.FileSystem | None = None,
    rows_per_file: int = ROWS_PER_FILE,
    rows_per_group: int = ROWS_PER_GROUP,
    progress: Callable[[int], None] | None = None,
) -> Extract:
    """Write the extract of `customers` as Parquet files under `folder`, in the memory of one row group.

    `folder` is a path, or `bucket/prefix` when `filesystem` is an S3 one; `progress` hears the count.
    """
    target = filesystem or pafs.LocalFileSystem()
    if isinstance(target, pafs.LocalFileSystem):
        target.create_dir(folder, recursive=True)
    files: list[str] = []
    for number, first in enumerate(range(0, max(customers, 1), rows_per_file)):
        path = f"{folder.rstrip('/')}/part-{number:05d}.parquet"
        last = min(first + rows_per_file, customers)
        with pq.ParquetWriter(path, EXTRACT_SCHEMA, filesystem=target, compression="zstd") as writer:
            for start, rows in _blocks(first, last, rows_per_group):
                writer.write_table(generate_audience(rows, seed, start), row_group_size=rows_per_group)
                if progress is not None:
                    progress(start + rows)
        files.append(path)
    size = sum(info.size for info in target.get_file_info(files))
    return Extract(tuple(files), customers, size)


def _blocks(first: int, last: int, rows: int) -> Iterator[tuple[int, int]]:
    for start in range(first, last, rows):
        yield start, min(rows, last - start)


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m examples.audience --customers 20000 --out FOLDER`: write an extract to a local folder."""
    parser = argparse.ArgumentParser(prog="python -m examples.audience", description=main.__doc__)
    parser.add_argument("--customers", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", required=True)
    options = parser.parse_args(arguments)
    extract = write_extract(options.out, options.customers, options.seed)
    size = f"{extract.size_bytes / 1e6:.1f} MB in {len(extract.files)} files"
    sys.stdout.write(f"{extract.customers:,} customers, {size}: {options.out}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
