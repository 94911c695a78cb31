"""Dead letters sent back to the topics they came from, each once.

Invariant: a letter is replayed at most once, whoever asks and wherever the command dies: its record and the marker that
says so are one transaction, and the markers are read behind the transactional id. Consent changes have no other
protection against being told twice.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from pipelines.dead_letters import TOPIC
from pipelines.edges.letters import Letter
from pipelines.edges.progress import TOPIC as PROGRESS
from pipelines.edges.progress import read_markers
from pipelines.edges.transactions import ProducerFencedError, PublishTarget, Record, TransactionalProducer
from pipelines.errors import InputError, ServerError

_PIPELINE = "dead-letters-replay"
_TIMEOUT_S = 30.0
#: One transaction holds at most this many letters, and so many bytes of them.
_CHUNK_LETTERS, _CHUNK_BYTES = 500, 16_000_000


@dataclass
class Replayed:
    """How many letters were sent back now and how many had been before, and those that could not be, by id: why."""

    sent: int = 0
    before: int = 0
    left: dict[str, str] = field(default_factory=dict)


class OtherReplayError(Exception):
    """Another replay has fenced this one, which had sent back `sent` letters; of one more chunk it cannot know."""

    def __init__(self, sent: int) -> None:
        super().__init__(sent)
        self.sent = sent

    def __str__(self) -> str:
        return (
            "another replay of dead letters began while this one was at work, or this one stood still for longer than "
            f"publish.transaction_timeout_ms, and was stopped: {self.sent:,} records were sent back by then. Nothing "
            "was lost or doubled. Start it again when the other has ended: it sends what is left."
        )


class Replayer:
    """Sends letters back to where they came from. One at a time: a later one fences an earlier one."""

    def __init__(self, target: PublishTarget, input_topics: Collection[str]) -> None:
        self._target = target
        self._inputs = input_topics
        self._topic_id = _topic_id(target.client)
        self._producer = TransactionalProducer(target, f"carillon/{_PIPELINE}", _PIPELINE, _PIPELINE)
        prefix = f"{_PIPELINE}/{self._topic_id}/".encode()
        found = read_markers(target.client, self._partition, target.open_for_s)
        self._done = {key for key, value in found if key is not None and key.startswith(prefix) and value}

    @property
    def _partition(self) -> int:
        """The last one: few pipelines have so many send partitions that they wait for each other there."""
        return self._target.progress_partitions - 1

    def replay(self, letters: Iterable[Letter], fixed: bytes | None = None) -> Replayed:
        """Send them back, with the value `fixed` in place of their own. One that is not whole is left and does not keep
        the others from being sent; one of a mended value goes without its key if that was too large.
        Raises `InputError` for a letter of no input topic, `PublishError` and `OtherReplayError`."""
        done, size = Replayed(), 0
        waiting: list[Letter] = []
        for letter in letters:
            if self._key(letter) in self._done:
                done.before += 1
            elif letter.left_out and fixed is None:
                done.left[letter.id] = letter.left_out
            else:
                waiting.append(letter)
                size += len(letter.value or b"")
            if len(waiting) == _CHUNK_LETTERS or size >= _CHUNK_BYTES:
                self._commit(waiting, fixed, done)
                waiting, size = [], 0
        self._commit(waiting, fixed, done)
        return done

    def _commit(self, letters: Sequence[Letter], fixed: bytes | None, done: Replayed) -> None:
        if letters:
            records = [self._record(letter, fixed) for letter in letters]
            try:
                self._producer.commit([*records, *[self._marker(letter) for letter in letters]])
            except ProducerFencedError:
                raise OtherReplayError(done.sent) from None
            self._done.update(self._key(letter) for letter in letters)
            done.sent += len(letters)

    def _record(self, letter: Letter, fixed: bytes | None) -> Record:
        source = letter.headers.get("source_topic", "")
        if source not in self._inputs:
            raise InputError(
                f"dead letter {letter.id} says that it came from '{source}'; allowed: {', '.join(self._inputs)}."
            )
        origin = f"{TOPIC}/{letter.partition}/{letter.offset}".encode()
        # Where it came from, so that it stays among the same customer's records.
        partition = int(letter.headers["source_partition"])
        value = letter.value if fixed is None else fixed
        return Record(source, letter.key, value, (("replay_of", origin),), partition)

    def _marker(self, letter: Letter) -> Record:
        value = (
            f'{{"incarnation":"{self._topic_id}","term":0,"unit":{letter.partition},"chunk":{letter.offset}}}'
        )
        return Record(PROGRESS, self._key(letter), value.encode(), (), self._partition)

    def _key(self, letter: Letter) -> bytes:
        # The topic's id and not its name: a topic made anew counts its offsets from 0 again.
        return f"{_PIPELINE}/{self._topic_id}/{letter.partition}/{letter.offset}".encode()


def _topic_id(client: dict[str, str]) -> str:
    admin = AdminClient(client)  # must outlive its answer
    answer = admin.describe_topics(TopicCollection([TOPIC]), request_timeout=_TIMEOUT_S)[TOPIC]
    try:
        return str(answer.result().topic_id)
    except KafkaException as error:
        raise ServerError(
            f"Kafka at {client['bootstrap.servers']} tells nothing of '{TOPIC}': {error.args[0].str()}."
        ) from None
