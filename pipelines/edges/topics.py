"""Create the declared topics on a broker.

Invariant: a topic that exists is left as it is, whatever its settings; nothing is ever deleted or altered here.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import TimeoutError as NoAnswerError

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from pipelines.errors import ServerError
from schemas.topics import Topic

#: How long the broker may take to answer.
TIMEOUT_S = 30.0


def create_topics(client: dict[str, str], topics: Iterable[Topic], replication_factor: int) -> list[str]:
    """Create those that do not exist; returns their names. Raises `ServerError` when no broker answers, or one
    refuses."""
    wanted = [
        NewTopic(
            t.name, num_partitions=t.partitions, replication_factor=replication_factor, config=dict(t.config)
        )
        for t in topics
    ]
    made = []
    admin = AdminClient(client)  # must outlive its futures
    for name, created in admin.create_topics(wanted, operation_timeout=TIMEOUT_S).items():
        try:
            created.result(TIMEOUT_S)
            made.append(name)
        except NoAnswerError:
            raise ServerError(
                f"no answer from Kafka at {client['bootstrap.servers']} in {TIMEOUT_S:.0f} s. Is it running, and is "
                "kafka.bootstrap_servers right?"
            ) from None
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise ServerError(
                    f"cannot create topic '{name}' on {client['bootstrap.servers']}: {error.args[0].str()}. "
                    "Check kafka.bootstrap_servers and what this user may do."
                ) from None
    return made
