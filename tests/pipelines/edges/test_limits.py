"""What the runbook says of losses ("What cannot be undone"): markers or ledger gone while a run is unfinished."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession

from conf import Settings
from embedded.servers import EmbeddedServers
from pipelines.edges.scheduled import run_campaign
from pipelines.errors import InputError
from schemas.tables import table
from schemas.topics import topic
from tests.builders import scheduled_campaign
from tests.killed import killed_at
from tests.pipelines.edges.workspace import Workspace, people

pytestmark = pytest.mark.usefixtures("fresh_topics")
CUSTOMERS = ("c-1", "c-2", "c-3")


@pytest.fixture
def workspace(spark: SparkSession, settings: Settings) -> Workspace:
    """A run that has published everything and died before it said so."""
    made = Workspace(spark, settings)
    made.promote(people(*CUSTOMERS))
    made.publish(scheduled_campaign(channels=["sms"]))
    with killed_at("pipelines.edges.manifests.ManifestStore.finish", InputError):
        go(made)
    assert made.messages().total() == len(CUSTOMERS)
    return made


def go(workspace: Workspace) -> bool:
    """Whether the run had ended before."""
    result = run_campaign(workspace.spark, workspace.settings, "letter", workspace.run_id)
    assert result["campaigns"]["letter"]["sms"]["published"] == len(CUSTOMERS)
    return bool(result["already_complete"])


def test_without_markers_the_same_messages_come_again_until_the_run_has_ended(
    workspace: Workspace, servers: EmbeddedServers
) -> None:
    ids = set(workspace.messages())
    for is_over in (False, True):
        servers.kafka.recreate_topics([topic("send.progress")])
        assert go(workspace) == is_over
        assert workspace.messages() == dict.fromkeys(ids, 2)


def test_without_the_ledger_a_run_decides_anew_and_its_markers_still_count(workspace: Workspace) -> None:
    before = workspace.decisions()
    # Who comes and goes meanwhile changes nothing: the manifest has pinned the snapshot.
    workspace.promote(people("c-9"))
    for item in workspace.objects.list(f"{table('ledger').name}/"):
        workspace.objects.delete(item.name)
    workspace.forget_delta()
    assert not go(workspace)
    assert workspace.decisions() == before
    workspace.check()
