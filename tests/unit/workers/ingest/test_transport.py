"""What the transport uses inside Faust and aiokafka; fails first when a version changes it."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from aiokafka.consumer.subscription_state import TopicPartitionState
from aiokafka.errors import IllegalStateError
from faust.transport import consumer as faust_consumer
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from workers.ingest import transport

OVERRIDDEN = [
    (transport.ConsumerThread, "_create_worker_consumer"),
    (transport.ConsumerThread, "_fetch_records"),
    (transport.ConsumerThread, "_commit"),
    (transport.Consumer, "_new_consumer_thread"),
    (transport.Consumer, "getmany"),
    (transport.Consumer, "_to_message"),
    (transport.Consumer, "on_buffer_full"),
    (transport.Consumer, "_new_offset"),
    (transport.Consumer, "_add_gap"),
    (transport.Consumer, "seek_to_committed"),
]


@pytest.mark.parametrize(("owner", "name"), OVERRIDDEN)
def test_what_is_overridden_is_there_with_the_same_parameters(owner: type, name: str) -> None:
    ours = getattr(owner, name)
    theirs = getattr(owner.__mro__[1], name)
    assert list(inspect.signature(ours).parameters) == list(inspect.signature(theirs).parameters)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        # getmany: how polls come, and that a change of generation ends an iteration.
        (faust_consumer.Consumer.getmany, ["_wait_next_records", "consumer_generation_id"]),
        (faust_consumer.ThreadDelegateConsumer._getmany, ["self._thread.getmany"]),
        (driver.AIOKafkaConsumerThread.getmany, ["self._fetch_records", "max_records"]),
        # Acks: what `_new_offset` reads and clears.
        (faust_consumer.Consumer.ack, ["self._acked[tp]", "self._acked_index[tp]"]),
        (faust_consumer.Consumer.force_commit, ["_filter_tps_with_pending_acks"]),
        # Positions: where `seek_to_committed` is asked, and what is made of its answer.
        (faust_consumer.Consumer.perform_seek, ["await self.seek_to_committed()", "_read_offset"]),
        (faust_consumer.Consumer._drain_messages, ["offset >= r_offset", "_add_gap"]),
        # The thread: how its loop is asked.
        (driver.AIOKafkaConsumerThread.seek_to_committed, ["self.call_thread"]),
        (driver.AIOKafkaConsumerThread.on_start, ["self._create_consumer"]),
    ],
)
def test_faust_works_as_the_transport_expects(
    function: Callable[..., Any], words: list[str]
) -> None:
    source = inspect.getsource(function)
    assert [word for word in words if word not in source] == []


def test_aiokafka_tells_the_position_of_a_partition() -> None:
    assert isinstance(TopicPartitionState.position, property)


class Assigned:
    """An aiokafka consumer with some partitions, which refuses to seek others as aiokafka does."""

    def __init__(self, *partitions: TP) -> None:
        self._partitions = partitions
        self.positions: dict[TP, int] = {}

    def assignment(self) -> set[TP]:
        """The partitions."""
        return set(self._partitions)

    def pause(self, *_partitions: TP) -> None:
        """Nothing is fetched here in any case."""

    def seek(self, partition: TP, position: int) -> None:
        """Note a position. Raises IllegalStateError for a partition of somebody else."""
        if partition not in self._partitions:
            raise IllegalStateError(f"No current assignment for partition {partition}")
        self.positions[TP(*partition)] = position


async def test_a_partition_that_was_lost_before_its_rewind_is_left_to_its_new_owner(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mine, lost = TP("assignments", 0), TP("assignments", 1)
    consumer = Assigned(mine)
    thread = object.__new__(transport.ConsumerThread)
    thread._ends = {mine: 7, lost: 9}
    monkeypatch.setattr(thread, "_ensure_consumer", lambda: consumer)
    await thread._seek_to({lost: 3, mine: 5}, set())
    assert consumer.positions == thread._ends == {mine: 5}
