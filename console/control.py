"""`carillon pause`, `resume`, `cancel`: what an operator wants of a run that has begun, or of a campaign.

Invariant: a command only writes down the wish; a run's publishing tasks look at it between two transactions, at most
once a second, a stream with each epoch and release. A cancellation cannot be taken back. A run has ended when nothing
of it waits any more either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

if TYPE_CHECKING:
    from pipelines.edges.control import RunControl
    from pipelines.edges.pauses import CampaignPauses

_NAME = Annotated[
    str, typer.Argument(metavar="RUN", help="CAMPAIGN/RUN_ID, or CAMPAIGN for all that comes of it.")
]
_RUN = Annotated[str, typer.Argument(metavar="RUN", help="CAMPAIGN/RUN_ID, as `carillon status` shows it.")]
_ENV = Annotated[str, typer.Option(help="Environment of conf/.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("pause")(pause)
    app.command("resume")(resume)
    app.command("cancel")(cancel)


def pause(run: _NAME, env: _ENV = "local") -> None:
    """Let a run wait before its next transaction, also when it is started again, until it is resumed, and with it what
    it holds; or let a campaign be sent to nobody from the next epoch on: whoever would get it is recorded, as
    excluded."""
    from pipelines.errors import InputError

    if "/" not in run:
        _campaign(run, env).pause(run, "by an operator")
        print(
            f"campaign {run} is paused from the next epoch on; `carillon resume {run}` lets it be sent again"
        )
        return
    begun = _begun(run, env)
    if begun.control.wanted() == "cancel":
        raise InputError(f"run '{run}' was cancelled, which is final: it cannot be paused.")
    begun.control.pause()
    print(f"run {run} is to pause{begun.with_those()}; `carillon resume {run}` lets it go on")


def resume(run: _NAME, env: _ENV = "local") -> None:
    """Let a paused run go on where it was, or a campaign be sent again."""
    from pipelines.errors import InputError

    if "/" not in run:
        _campaign(run, env).resume(run)
        print(f"campaign {run} is sent again from the next epoch on, unless its own file says paused")
        return
    begun = _begun(run, env)
    if begun.control.wanted() == "cancel":
        raise InputError(
            f"run '{run}' was cancelled, which is final. Who is left can be sent to by another run id."
        )
    begun.control.resume()
    if begun.has_ended:
        print(f"run {run} is to go on{begun.with_those()}: each is decided anew when it is due, or now")
        return
    print(
        f"run {run} is to go on, with what it decided when it began; if its driver was ended, start it again with the "
        "same run id"
    )


def cancel(run: _RUN, env: _ENV = "local") -> None:
    """End a run: nothing more is published, and whoever is left is recorded as excluded (cancelled_run; cancelled, of
    those that wait, when they fall due)."""
    begun = _begun(run, env)
    begun.control.cancel()
    print(f"run {run} is cancelled{begun.with_those()}")
    if begun.waiting:
        print("what waits is recorded as cancelled when it falls due")
    if not begun.has_ended:
        print(
            "what is not published is recorded as cancelled by its driver; if that was ended, start it once more with "
            "the same run id"
        )


class _Begun(NamedTuple):
    """A run that can be ordered about: it has not ended, or messages of it wait."""

    control: RunControl
    has_ended: bool
    waiting: int

    def with_those(self) -> str:
        return f", with {self.waiting:,} of its messages that wait" if self.waiting else ""


def _campaign(campaign_id: str, env: str) -> CampaignPauses:
    """The pauses, of which the campaign's is one. Raises `InputError` when no such campaign is published."""
    from conf import load
    from pipelines.edges.campaign_store import CampaignStore
    from pipelines.edges.objects import ObjectStore
    from pipelines.edges.pauses import CampaignPauses
    from pipelines.errors import InputError

    objects = ObjectStore(load(env).lake)
    published = sorted(CampaignStore(objects).active_digests())
    if campaign_id not in published:
        raise InputError(
            f"no campaign '{campaign_id}' is published in this lake. Published: {', '.join(published) or 'none'}. A "
            "run is named as CAMPAIGN/RUN_ID."
        )
    return CampaignPauses(objects)


def _begun(run: str, env: str) -> _Begun:
    """The run. Raises `InputError` when there is none, or it has ended and none of its messages waits."""
    from conf import load
    from pipelines.edges.control import RunControl
    from pipelines.edges.manifests import ManifestStore
    from pipelines.edges.objects import ObjectStore
    from pipelines.edges.status import find_run
    from pipelines.edges.tables import Tables
    from pipelines.edges.waiting import waiting_by_run
    from pipelines.errors import InputError
    from pipelines.runs import INCARNATION, UNIT

    lake = load(env).lake
    objects = ObjectStore(lake)
    pipeline = find_run(objects, run)
    result = ManifestStore(objects).result(f"{pipeline}/{INCARNATION}", UNIT)
    waits = waiting_by_run(Tables(lake)).get(pipeline)
    if result is not None and waits is None:
        raise InputError(
            f"run '{run}' has ended ({result.get('state', 'finished')}) and nothing of it waits: there is nothing to "
            "change."
        )
    return _Begun(RunControl(objects, pipeline), result is not None, waits.count if waits else 0)
