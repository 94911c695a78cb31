"""Arguments at the door, and the exit code and the one line of each error that a user can mend."""

from __future__ import annotations

import pickle
from datetime import datetime, timezone
from typing import Any

import pytest

from conf import ConfError
from jobs import _door, build_audience, send_campaign, send_triggered
from pipelines.books import ImbalanceError
from pipelines.campaigns import CampaignError, Problem
from pipelines.edges.audience import NoAudienceError
from pipelines.edges.campaign_store import MissingBundleError
from pipelines.edges.objects import StorageError
from pipelines.edges.progress import FencedError, ProgressUnreadableError
from pipelines.edges.publisher import PublishError
from pipelines.errors import InputError, ServerError
from pipelines.snapshot import RefusedError

ERRORS: tuple[tuple[Exception, int], ...] = (
    (ConfError("conf: kafka.bootstrap_servers is missing"), 2),
    (CampaignError("welcome", [Problem("campaign.yaml", "name", "nothing", "a text", "add it")]), 2),
    (InputError("no such campaign"), 2),
    (NoAudienceError(), 2),
    (MissingBundleError("abc"), 2),
    (ImbalanceError("sent 1, published 2"), 3),
    (FencedError("triggered"), 4),
    (StorageError("no answer"), 5),
    (ServerError("no answer"), 5),
    (PublishError("refused"), 5),
    (ProgressUnreadableError("no end"), 5),
    (RefusedError("column 'email' is missing"), 6),
)


def raising(error: BaseException) -> Any:
    def main() -> None:
        raise error

    return main


@pytest.mark.parametrize(("error", "code"), ERRORS, ids=lambda value: type(value).__name__)
def test_a_mistake_is_a_code_and_its_text(
    error: Exception, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _door.run(raising(error)) == code
    printed = capsys.readouterr()
    assert printed.err == f"carillon: {error}\n"
    assert printed.out == ""


def test_every_kind_is_tried() -> None:
    assert [type(error) for error, _ in ERRORS] == [kind for kind, _ in _door.EXIT_CODES]


@pytest.mark.parametrize("error", [error for error, _ in ERRORS], ids=lambda error: type(error).__name__)
def test_errors_survive_pickling(error: Exception) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (type(error), str(error))


def test_done_is_0_and_a_bug_keeps_its_trace() -> None:
    assert _door.run(lambda: None) == 0
    with pytest.raises(ZeroDivisionError):
        _door.run(raising(ZeroDivisionError("bug")))
    with pytest.raises(KeyboardInterrupt):
        _door.run(raising(KeyboardInterrupt()))


@pytest.mark.parametrize(
    ("job", "arguments", "complaint"),
    [
        (build_audience, [], "--extract"),
        (
            build_audience,
            ["--extract", "s3a://b/x", "--as-of", "yesterday"],
            "--as-of 'yesterday' is not an RFC 3339",
        ),
        (build_audience, ["--extract", "s3a://b/x", "--as-of", "2026-03-01T09:00:00"], "with a zone"),
        (build_audience, ["--extract", "s3://b/x"], "--extract 's3://b/x': Spark reads S3 as s3a://b/x"),
        (build_audience, ["--extract", "s3n://b/x"], "Spark reads S3 as s3a://b/x"),
        (
            build_audience,
            ["--extract", "https://b/x"],
            "--extract 'https://b/x': Spark reads no folder over https",
        ),
        (build_audience, ["--extract", ""], "--extract is empty"),
        (send_campaign, ["--campaign", "letter"], "--run-id"),
        (send_campaign, ["--run-id", "1"], "--campaign"),
        (send_triggered, ["--availablenow"], "unrecognized arguments: --availablenow"),
        (send_triggered, ["file.txt"], "unrecognized arguments: file.txt"),
    ],
)
def test_wrong_arguments_end_with_2_and_name_the_argument(
    job: Any, arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        job.main(arguments)
    assert caught.value.code == 2
    assert complaint in capsys.readouterr().err


def test_an_unknown_environment_is_one_line_and_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert send_triggered.main(["--env", "nowhere"]) == 2
    assert "nowhere" in capsys.readouterr().err


def test_arguments_as_given() -> None:
    parsed = build_audience.parse_arguments(["--extract", "s3a://b/x", "--as-of", "2026-03-01T09:00:00Z"])
    assert (parsed.extract, parsed.as_of) == ("s3a://b/x", "2026-03-01T09:00:00Z")
    assert (parsed.accept_row_count, parsed.env) == (False, "local")
    sent = send_campaign.parse_arguments(["--campaign", "letter", "--run-id", "2026-03-01", "--env", "dev"])
    assert (sent.campaign, sent.run_id, sent.env) == ("letter", "2026-03-01", "dev")
    assert send_triggered.parse_arguments(["--available-now"]).available_now
    assert not send_triggered.parse_arguments([]).available_now


def test_an_extract_without_a_time_is_as_of_now() -> None:
    parsed = build_audience.parse_arguments(["--extract", "s3a://b/x"])
    age = datetime.now(timezone.utc) - datetime.fromisoformat(parsed.as_of)
    assert 0 <= age.total_seconds() < 60
