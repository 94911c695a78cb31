"""What all tests share: one pair of embedded servers and one SparkSession a run, a fresh lake for each test.

Invariant: a test that asks for `servers` or `spark` carries the mark of the same meaning, so that `make
test-fast` never starts a JVM by accident.
"""

from __future__ import annotations

import os
import sys
import time
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from conf import Settings
    from embedded.servers import EmbeddedServers

os.environ["TZ"] = "Pacific/Chatham"  # An offset nobody has by accident: code that uses local time shows.
time.tzset()
# A developer's `carillon dev` must not leak into tests.
for variable in [name for name in os.environ if name.startswith("CARILLON_") and "__" in name]:
    del os.environ[variable]

if not hasattr(sys.modules["__main__"], "__file__"):
    # A worker of pytest-xdist: pyspark.sql.connect takes a main module without a file for a doctest, and exits.
    sys.modules["__main__"].__file__ = __file__


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if "spark" in fixtures:
            item.add_marker(pytest.mark.spark)
        if "servers" in fixtures:
            item.add_marker(pytest.mark.integration)
    if os.environ.get("PYTEST_XDIST_WORKER"):
        # The long ones first, so that no worker is left with one of them while the other has nothing to do.
        items.sort(
            key=lambda item: not {"spark", "integration"} & {mark.name for mark in item.iter_markers()}
        )


@pytest.fixture(scope="session")
def servers() -> Iterator[EmbeddedServers]:
    """The embedded broker and S3 endpoint, with all topics."""
    from embedded.servers import EmbeddedServers

    with EmbeddedServers() as running:
        yield running


@pytest.fixture(scope="session")
def spark(servers: EmbeddedServers) -> Iterator[SparkSession]:
    """The one session, made where every job's is made, on the embedded S3. Tests bring few rows, and each query once:
    it is not worth compiling, neither by Spark nor by the JVM. Jobs as processes are what they are in production."""
    import conf
    from conf.spark import SHORT_JOB
    from jobs._session import open_session
    from pipelines.edges.few import session_for_few

    # Each worker of pytest has a session: three of them fit into 8 GB.
    os.environ["PYSPARK_SUBMIT_ARGS"] = f"--driver-memory 2g {SHORT_JOB} pyspark-shell"
    session = open_session("tests", conf.load("local", environ=servers.environment()))
    session.sparkContext.setLogLevel("ERROR")
    yield session_for_few(session)
    session.stop()


@pytest.fixture
def environment(servers: EmbeddedServers) -> dict[str, str]:
    """The variables for a process under test: the embedded servers and a lake of this test's own."""
    root = f"s3a://{servers.s3.bucket}/test-{uuid.uuid4().hex[:12]}"
    return {**servers.environment(), "CARILLON_LAKE__ROOT": root}


@pytest.fixture
def settings(environment: dict[str, str]) -> Settings:
    """The local settings on the embedded servers, with a lake of this test's own."""
    import conf

    return conf.load("local", environ=environment)


@pytest.fixture
def lake(settings: Settings) -> str:
    """The root of a lake that nothing was written to."""
    return settings.lake.root


@pytest.fixture
def fresh_topics(servers: EmbeddedServers) -> None:
    """All topics, empty."""
    from schemas.topics import load_topics

    servers.kafka.recreate_topics(load_topics())
