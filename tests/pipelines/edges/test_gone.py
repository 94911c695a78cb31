"""What a unit has to read is gone: records that Kafka no longer keeps, data files of the audience. Never skipped."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from pyspark.sql import SparkSession

from conf import Settings
from pipelines.edges.failures import explain
from pipelines.edges.scheduled import run_campaign
from pipelines.errors import InputError
from tests.builders import make_campaign, scheduled_campaign, trigger
from tests.pipelines.edges.workspace import TRIGGERS, Workspace, people

pytestmark = pytest.mark.usefixtures("fresh_topics")


@pytest.fixture
def workspace(spark: SparkSession, settings: Settings) -> Workspace:
    """Three customers, and campaigns that send them SMS: one by triggers, one by runs."""
    made = Workspace(spark, settings)
    made.promote(people("c-1", "c-2", "c-3"))
    made.publish(make_campaign(channels=["sms"]), scheduled_campaign(channels=["sms"]))
    return made


def refusal(act: Callable[[], object]) -> Exception:
    """As the door of a job would show it."""
    with pytest.raises(Exception, match=r"\w") as caught:
        act()
    return explain(caught.value)


def test_records_that_kafka_no_longer_keeps_stop_the_stream_until_somebody_decides(
    workspace: Workspace,
) -> None:
    workspace.send(TRIGGERS, trigger("t-1"))
    workspace.run()
    workspace.send(TRIGGERS, *[trigger(f"t-{number}", customer_id="c-2") for number in (2, 3, 4)])
    admin = AdminClient(workspace.settings.kafka.librdkafka())
    # The retention of the topic takes the second record, which was not worked on.
    for deleted in admin.delete_records([TopicPartition(TRIGGERS, 0, 2)]).values():
        deleted.result(30.0)
    for _ in range(2):
        refused = refusal(workspace.run)
        assert isinstance(refused, InputError), refused
        assert "are not available in Kafka any more" in str(refused)
        assert "Nothing is skipped by itself" in str(refused)
        assert workspace.messages().total() == 1
    for item in workspace.objects.list("checkpoints/"):
        workspace.objects.delete(item.name)
    workspace.run()
    assert workspace.messages().total() == 3
    workspace.check()


@pytest.mark.parametrize("kind", ["stream", "run"])
def test_an_audience_whose_files_are_gone_is_refused_before_the_first_send(
    workspace: Workspace, kind: str
) -> None:
    files = [item.name for item in workspace.objects.list("audience/") if item.name.endswith(".parquet")]
    kept = {name: workspace.objects.read(name) or b"" for name in files}
    for name in kept:
        workspace.objects.delete(name)
    workspace.send(TRIGGERS, trigger("t-1"))

    def act() -> object:
        if kind == "stream":
            return workspace.run()
        return run_campaign(workspace.spark, workspace.settings, "letter", workspace.run_id)

    refused = refusal(act)
    assert isinstance(refused, InputError), refused
    assert "a data file of the lake is gone: s3a://" in str(refused)
    assert "/audience/" in str(refused)
    assert workspace.messages().total() == 0
    assert workspace.ledger().count() == 0
    for name, content in kept.items():
        workspace.objects.write(name, content)
    act()
    assert workspace.messages().total() == (1 if kind == "stream" else 3)
    workspace.check()
