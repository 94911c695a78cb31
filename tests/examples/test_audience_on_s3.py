"""The extract on a real S3 endpoint, as the demo writes it."""

from __future__ import annotations

import pyarrow.fs as pafs
import pyarrow.parquet as pq

from conf import Settings
from embedded.servers import EmbeddedServers
from examples.audience import generate_audience, write_extract


def test_the_extract_is_written_to_a_bucket(servers: EmbeddedServers, settings: Settings) -> None:
    lake = settings.lake
    assert lake.access_key_id is not None
    assert lake.secret_access_key is not None
    s3 = pafs.S3FileSystem(
        access_key=lake.access_key_id.get_secret_value(),
        secret_key=lake.secret_access_key.get_secret_value(),
        endpoint_override=servers.s3.endpoint_url,
        region=lake.region,
    )
    folder = f"{lake.bucket}/{lake.prefix}/raw/audience"
    extract = write_extract(folder, 3_000, seed=1, filesystem=s3, rows_per_file=2_000)
    assert [path.rpartition("/")[2] for path in extract.files] == ["part-00000.parquet", "part-00001.parquet"]
    assert pq.read_table(folder, filesystem=s3).equals(generate_audience(3_000, seed=1))
