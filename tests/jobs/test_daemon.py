"""What a job's Python processes import, and from where."""

from __future__ import annotations

import json
from pathlib import Path

from pyspark.sql import SparkSession

from jobs import without_zips


def test_the_zips_of_an_installed_pyspark_are_left_out(tmp_path: Path) -> None:
    packages, elsewhere = tmp_path / "site-packages", tmp_path / "spark"
    library = packages / "pyspark" / "python" / "lib"
    path = [
        str(library / "pyspark.zip"),
        str(library / "py4j-0.10-src.zip"),
        str(elsewhere / "python" / "lib" / "pyspark.zip"),
        str(packages / "rooms.zip"),
        str(packages),
    ]
    assert without_zips(path) == path[2:]
    # Not its folder, so the zip is all there is.
    assert without_zips(path[:4]) == path[:4]


def test_they_are_left_out_by_whatever_name_the_environment_has(tmp_path: Path) -> None:
    packages = tmp_path / "site-packages"
    packages.mkdir()
    (tmp_path / "link").symlink_to(packages)
    path = [str(tmp_path / "link" / "pyspark" / "python" / "lib" / "pyspark.zip"), str(packages)]
    assert without_zips(path) == [str(packages)]


def test_a_worker_has_the_rooms_before_it_is_forked(spark: SparkSession) -> None:
    def loaded(_: object) -> str:
        import gc
        import sys

        has_rooms = "pipelines.publishing" in sys.modules
        return json.dumps([sys.modules["pyspark"].__file__, has_rooms, gc.get_freeze_count()])

    file, has_rooms, frozen = json.loads(spark.sparkContext.parallelize([0], 1).map(loaded).collect()[0])
    assert "pyspark.zip" not in file
    assert has_rooms
    # Of what the daemon imported: a worker does not walk through it after each task.
    assert frozen > 10_000
