"""A bug in a kernel costs speed, not messages, and is told once without anybody's data."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NoReturn

import pytest

from pipelines.messages import CompiledCampaign
from pipelines.render.execute import Run

if TYPE_CHECKING:
    from pipelines.links import LinkSettings
    from tests.pipelines.messages.conftest import MakeBatch, MakeCampaign


def test_a_fault_is_logged_once_for_each_template_and_place(
    make_campaign: MakeCampaign,
    make_batch: MakeBatch,
    links: LinkSettings,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(*_: object) -> NoReturn:
        raise ZeroDivisionError("Ann")

    monkeypatch.setattr(Run, "text", broken)
    compiled = CompiledCampaign(make_campaign(), links)
    batch = make_batch([{}, {"first_name": "Bo"}])
    with caplog.at_level(logging.WARNING, "carillon.render"):
        for _ in range(3):
            assembled = compiled.assemble("email", batch)
            assert assembled.failures == ()
            assert b"Hello Bo" in assembled.payloads[1].as_py()
    told = [record.getMessage() for record in caplog.records]
    assert [text.split("template ")[1].split(":")[0] for text in told] == [
        "email/subject.en.txt.j2",
        "email/html.en.html.j2",
        "email/text.en.txt.j2",
    ]
    assert all("campaign welcome version" in text and "ZeroDivisionError in broken" in text for text in told)
    assert not any("Ann" in text or "Bo" in text for text in told)
