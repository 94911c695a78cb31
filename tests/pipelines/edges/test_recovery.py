"""A checkpoint that is gone, damaged or somebody else's: what was recorded is published, nothing is sent twice.

Also one without its ledger, and one that another Carillon keeps in another way: refused with what to do.
"""

from __future__ import annotations

import json
from collections import Counter

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from conf import Settings
from pipelines.edges.checkpoint import CheckpointError
from pipelines.edges.lake import DeltaLake
from pipelines.edges.manifests import ManifestStore
from pipelines.edges.recovery import find_unfinished
from pipelines.edges.scheduled import run_campaign
from schemas.tables import Table, table
from tests.builders import make_campaign, scheduled_campaign, trigger
from tests.killed import killed_at
from tests.pipelines.edges.workspace import TRIGGERS, Workspace, people

pytestmark = pytest.mark.usefixtures("fresh_topics")


@pytest.fixture
def workspace(spark: SparkSession, settings: Settings) -> Workspace:
    """Three customers and a campaign that answers explicit triggers by SMS."""
    made = Workspace(spark, settings)
    made.promote(people("c-1", "c-2", "c-3"))
    made.publish(make_campaign(channels=["sms"]))
    return made


def lose_checkpoint(workspace: Workspace) -> None:
    for item in workspace.objects.list("checkpoints/"):
        workspace.objects.delete(item.name)


def die_before(step: str, workspace: Workspace) -> None:
    with killed_at(step):
        workspace.run()


def unfinished(workspace: Workspace, current: str | None = None) -> list[int]:
    manifests = ManifestStore(workspace.objects)
    return [unit for _, unit in find_unfinished(workspace.lake, manifests, "triggered", current)]


def test_what_was_recorded_is_published_though_the_checkpoint_is_gone(workspace: Workspace) -> None:
    workspace.send(TRIGGERS, trigger("t-1"))
    workspace.run()
    workspace.send(TRIGGERS, trigger("t-2", customer_id="c-2"), trigger("t-3", customer_id="c-3"))
    die_before("pipelines.units.UnitRunner.publish", workspace)
    assert unfinished(workspace) == [1]
    lose_checkpoint(workspace)
    finished, again = workspace.run()
    assert (finished["unit"], finished["campaigns"]["welcome"]["sms"]["published"]) == (1, 2)
    assert again["campaigns"]["welcome"]["sms"]["excluded"] == {"duplicate_trigger": 3}
    assert workspace.messages().total() == 3
    ids = [row.message_id for row in workspace.ledger().where("decision = 'sent'").collect()]
    assert workspace.messages() == Counter(ids)
    assert unfinished(workspace) == []


def test_what_was_published_is_not_published_again_though_nothing_says_that_it_was_finished(
    workspace: Workspace,
) -> None:
    workspace.send(TRIGGERS, trigger("t-1"), trigger("t-2", customer_id="c-2"))
    die_before("pipelines.edges.manifests.ManifestStore.finish", workspace)
    assert workspace.messages().total() == 2
    lose_checkpoint(workspace)
    results = workspace.run()
    assert [result["unit"] for result in results] == [0, 0]
    assert workspace.messages().total() == 2
    assert workspace.run() == []


def test_a_checkpoint_that_comes_back_after_another_one_sends_nothing_again(workspace: Workspace) -> None:
    workspace.send(TRIGGERS, trigger("t-1"))
    workspace.run()
    workspace.forget_commit(0)
    kept = {
        one.name: workspace.objects.read(one.name) or b"" for one in workspace.objects.list("checkpoints/")
    }
    lose_checkpoint(workspace)
    workspace.send(TRIGGERS, trigger("t-2", customer_id="c-2"))
    workspace.run()
    lose_checkpoint(workspace)
    for name, content in kept.items():
        workspace.objects.write(name, content)
    # Its epoch 0 was published, and the other life's markers have replaced those that said so.
    workspace.run()
    assert workspace.messages() == Counter(set(workspace.messages()))
    assert workspace.messages().total() == 2


def test_a_damaged_file_is_named_with_what_to_do(workspace: Workspace) -> None:
    workspace.send(TRIGGERS, trigger("t-1"))
    workspace.run()
    for name in ("metadata", "offsets/0", "commits/0"):
        path = f"checkpoints/triggered/{name}"
        content = workspace.objects.read(path) or b""
        for left in (0, len(content) // 2):
            workspace.objects.write(path, content[:left])
            with pytest.raises(CheckpointError, match=f"is damaged: {name} .*Delete or move the folder"):
                workspace.run()
        workspace.objects.write(path, content)
    workspace.run()
    assert workspace.messages().total() == 1


def test_another_pipelines_checkpoint_is_refused(workspace: Workspace, settings: Settings) -> None:
    workspace.send(TRIGGERS, trigger("t-1"))
    workspace.run()
    # Of the time before a checkpoint said whose it is.
    workspace.objects.delete("checkpoints/triggered/carillon.json")
    with pytest.raises(CheckpointError, match="no manifest of it for pipeline 'other'"):
        workspace.run(pipeline="other", checkpoint=settings.stream.checkpoint)


def test_another_pipelines_checkpoint_is_refused_before_its_first_epoch_is_done(
    workspace: Workspace, settings: Settings
) -> None:
    workspace.send(TRIGGERS, trigger("t-1"))
    die_before("pipelines.units.UnitRunner.publish", workspace)
    with pytest.raises(CheckpointError, match="is that of pipeline 'triggered', not of 'other'"):
        workspace.run(pipeline="other", checkpoint=settings.stream.checkpoint)
    assert workspace.messages().total() == 0
    workspace.run()
    assert workspace.messages().total() == 1


def test_another_state_version_is_refused(workspace: Workspace) -> None:
    workspace.send(TRIGGERS, trigger("t-1"))
    workspace.run()
    name = "checkpoints/triggered/carillon.json"
    owner = workspace.objects.read_json(name) or {}
    ledger = workspace.lake.table_id(table("ledger"))
    assert owner == {"pipeline": "triggered", "state_version": 1, "ledger": ledger}
    workspace.objects.write(name, json.dumps({**owner, "state_version": 0}).encode())
    with pytest.raises(
        CheckpointError, match=r"has state version 0, and this Carillon continues only 1\. Let the "
    ):
        workspace.run()
    # Of the time before it was written down, and of a driver that died while writing it.
    for content in (b"", b'{"pipe'):
        workspace.objects.write(name, content)
        workspace.run()
    workspace.objects.delete(name)
    workspace.run()
    assert workspace.messages().total() == 1


def test_a_lost_ledger_is_refused(workspace: Workspace) -> None:
    workspace.send(TRIGGERS, trigger("t-1"))
    workspace.run()
    ledger = {one.name: workspace.objects.read(one.name) or b"" for one in workspace.objects.list("ledger/")}
    for name in ledger:
        workspace.objects.delete(name)
    workspace.forget_delta()
    for has_checkpoint in (True, False):
        if not has_checkpoint:
            lose_checkpoint(workspace)
        with pytest.raises(CheckpointError, match=r"has no ledger, .* Restore the table 'ledger' first"):
            workspace.run()
        assert not workspace.objects.list("ledger/")
    for name, content in ledger.items():
        workspace.objects.write(name, content)
    workspace.forget_delta()
    workspace.run()
    assert workspace.messages().total() == 1


def test_an_older_copy_of_the_ledger_is_refused(workspace: Workspace) -> None:
    for name in ("t-1", "t-2"):
        workspace.send(TRIGGERS, trigger(name))
        workspace.run()
    kept = workspace.lake.version(table("ledger"))
    for item in workspace.objects.list("ledger/_delta_log/"):
        if item.name.endswith(".json") and int(item.name.rpartition("/")[2].partition(".")[0]) > 0:
            workspace.objects.delete(item.name)
    workspace.forget_delta()
    with pytest.raises(
        CheckpointError, match=f"ledger of this lake has version 0, .* version {kept - 1}: it was lost"
    ):
        workspace.run()


def test_of_two_drivers_that_decide_a_unit_the_first_ones_rows_are_published(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.send(TRIGGERS, trigger("t-1"), trigger("t-2", customer_id="c-2"))
    append = DeltaLake.append_few

    def be_second(self: DeltaLake, where: Table, rows: pa.Table, app_id: str, unit: int) -> bool:
        if where.name == "ledger":
            # The other driver knew of a withdrawal that this one has not met.
            met = rows.to_pylist()
            for row in met:
                if row["source_id"] == "t-2":
                    row |= {"decision": "excluded", "reason": "no_consent"}
            assert append(self, where, pa.Table.from_pylist(met, rows.schema), app_id, unit)
        return append(self, where, rows, app_id, unit)

    monkeypatch.setattr("pipelines.edges.lake.DeltaLake.append_few", be_second)
    (result,) = workspace.run()
    assert result["campaigns"]["welcome"]["sms"]["published"] == 1
    assert result["campaigns"]["welcome"]["sms"]["excluded"] == {"no_consent": 1}
    workspace.check()


def test_a_ledger_that_a_run_has_made_since_is_not_the_lost_one(workspace: Workspace) -> None:
    workspace.send(TRIGGERS, trigger("t-1"))
    workspace.run()
    for item in workspace.objects.list("ledger/"):
        workspace.objects.delete(item.name)
    workspace.forget_delta()
    workspace.publish(scheduled_campaign(channels=["sms"]))
    run_campaign(workspace.spark, workspace.settings, "letter", workspace.run_id)
    for is_there in (True, False):
        if not is_there:
            lose_checkpoint(workspace)
        with pytest.raises(CheckpointError, match=r"has another ledger, .* Restore the table 'ledger' first"):
            workspace.run()
