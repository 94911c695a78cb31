"""Each guard on a bad sample and on a good one: a guard that cannot fail guards nothing."""

from __future__ import annotations

import pytest

from tests.guards import rules

CHANNELS = ("email", "sms", "push")


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("schemas", "from conf import load"),
        ("conf", "import schemas.topics as t"),
        ("pipelines", "def f():\n    from senders import x"),
        ("pipelines", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import console"),
        ("senders", "import pipelines.links"),
        ("console", "from jobs.send_campaign import main"),
        ("jobs", "import console.main"),
        ("embedded", "from examples import audience"),
        ("console", "from drills.job import Job"),
    ],
)
def test_wrong_direction_is_seen(room: str, source: str) -> None:
    assert len(rules.import_direction(room, source)) == 1


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("schemas", "from schemas.ddl import parse\nimport json\nimport configparser"),
        ("pipelines", "import conf\nfrom schemas import topics\nfrom pipelines import links"),
        ("console", "import examples.traffic\nfrom embedded import servers"),
        ("conf", "from . import base"),
    ],
)
def test_right_direction_is_let_through(room: str, source: str) -> None:
    assert rules.import_direction(room, source) == []


def test_long_files_and_functions_are_seen() -> None:
    assert rules.sizes("x = 1\n" * rules.FILE_LINES_MAX) == []
    assert "271 lines" in rules.sizes("x = 1\n" * (rules.FILE_LINES_MAX + 1))[0]
    body = "    x = 1\n"
    assert rules.sizes("def f():\n" + body * (rules.FUNCTION_LINES_MAX - 1)) == []
    assert "f() has 61 lines" in rules.sizes("def f():\n" + body * rules.FUNCTION_LINES_MAX)[0]
    assert rules.sizes("x = 1\n" * 81, rules.JOB_LINES_MAX) != []


@pytest.mark.parametrize(
    "source",
    [
        "F.current_timestamp()",
        "datetime.now(UTC)",
        "F.rand(7)",
        "uuid.uuid4()",
        "F.expr('uuid()')",
        "F.expr('a > Current_Timestamp()')",
        "import random",
        "from uuid import uuid4",
        "time.time()",
        "os.urandom(8)",
    ],
)
def test_time_and_chance_are_seen(source: str) -> None:
    assert len(rules.time_and_chance(source)) == 1


@pytest.mark.parametrize(
    "source",
    [
        "uuid.uuid5(n, s)",
        "time.monotonic()",
        "F.lit(clock)",
        "def f(now): return now",
        "'known() and brand()'",
    ],
)
def test_arguments_and_hashes_are_let_through(source: str) -> None:
    assert rules.time_and_chance(source) == []


@pytest.mark.parametrize(
    "source",
    [
        "if channel == 'email': pass",
        "x = row.channel != 'sms'",
        "F.when(F.col('channel') == 'push', 1)",
        "y = 1 if 'email' == channel_name else 2",
        "z = channel in ('sms', 'push')",
        "match channel:\n    case 'email': pass",
    ],
)
def test_branches_on_a_channel_are_seen(source: str) -> None:
    assert len(rules.channel_branches(source, CHANNELS)) == 1


@pytest.mark.parametrize(
    "source", ["if column == 'email': pass", "if channel == other: pass", "limits = CHANNELS['email']"]
)
def test_other_comparisons_are_let_through(source: str) -> None:
    assert rules.channel_branches(source, CHANNELS) == []


def test_shadowing_names() -> None:
    assert rules.shadows("logging")
    assert not rules.shadows("send_campaign")
