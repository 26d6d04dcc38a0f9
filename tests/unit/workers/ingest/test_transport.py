"""What the transport uses inside Faust and aiokafka; fails first when a version changes it."""

import asyncio
import inspect
from collections.abc import Callable
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, cast

import faust
import pytest
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.consumer.subscription_state import TopicPartitionState
from aiokafka.errors import IllegalStateError, KafkaConnectionError
from faust.tables.recovery import Recovery
from faust.transport import consumer as faust_consumer
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from workers.ingest import transport
from workers.ingest.positions import Positions
from workers.process.errors import ForeignLog

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
    (transport.Consumer, "verify_all_partitions_active"),
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
        # What is fetched while the flow stands still is dropped: the seek that follows must come
        # after the stop, and the flow goes on after the seek.
        (faust.App._on_partitions_revoked, ["consumer.stop_flow", "flow_control.clear"]),
        (Recovery._resume_streams, ["consumer.perform_seek()", "consumer.resume_flow()"]),
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


def test_aiokafka_tells_the_position_of_a_partition_or_that_there_is_none() -> None:
    assert isinstance(TopicPartitionState.position, property)
    assert isinstance(TopicPartitionState.has_valid_position, property)


def test_aiokafka_raises_with_the_position_that_a_log_does_not_have() -> None:
    source = inspect.getsource(Fetcher)
    assert "Errors.OffsetOutOfRangeError({tp: fetch_offset})" in source


PARTITION = TP("assignments", 0)


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


@pytest.mark.parametrize(("flows", "delivered", "position"), [(True, 1, 9), (False, 0, 5)])
async def test_what_is_fetched_while_nobody_takes_it_is_read_again(
    monkeypatch: pytest.MonkeyPatch, flows: bool, delivered: int, position: int
) -> None:
    """The fetch began before the rebalance, and returns after it has sought the position 5."""
    consumer = Assigned(PARTITION)
    thread = object.__new__(transport.ConsumerThread)
    thread.consumer = cast(Any, SimpleNamespace(flow_active=flows))
    thread._ends, thread._computed = {PARTITION: 5}, 0.0
    monkeypatch.setattr(thread, "_ensure_consumer", lambda: consumer)
    monkeypatch.setattr(thread, "_state", lambda _tp: SimpleNamespace(position=9))

    async def fetched(*_request: object) -> dict[TP, list[Any]]:
        return {PARTITION: [SimpleNamespace(offset=6)]}

    monkeypatch.setattr(driver.AIOKafkaConsumerThread, "_fetch_records", fetched)
    polls = await thread._fetch_records(cast(Any, consumer), {PARTITION}, 1.0)
    assert len(polls) == delivered
    assert thread._ends == {PARTITION: position}
    assert consumer.positions == ({} if flows else {PARTITION: 5})


class Log(Assigned):
    """An aiokafka consumer of one partition, whose log has the offsets from `beginning` to `end`.

    It fetches at `position`. `error` is what Kafka answers instead.
    """

    def __init__(
        self, beginning: int, end: int, position: int | None, error: Exception | None = None
    ) -> None:
        super().__init__(PARTITION)
        self._beginning, self._end, self._error = beginning, end, error
        self.has_valid_position = position is not None
        self.position = position

    async def beginning_offsets(self, partitions: list[TP]) -> dict[TP, int]:
        """Where the log begins."""
        if self._error:
            raise self._error
        return dict.fromkeys(partitions, self._beginning)

    async def end_offsets(self, partitions: list[TP]) -> dict[TP, int]:
        """Where the log ends."""
        return dict.fromkeys(partitions, self._end)


async def pass_deleted(
    monkeypatch: pytest.MonkeyPatch, log: Log, position: int
) -> list[tuple[int, int]]:
    """Tell the transport that a log lacks a position. Returns the polls that it delivers."""

    async def at_once(_seconds: float) -> None:
        pass

    monkeypatch.setattr(asyncio, "sleep", at_once)
    positions = Positions({PARTITION.topic}, cast(Any, nullcontext), lambda: None)
    thread = object.__new__(transport.ConsumerThread)
    thread._ends = {PARTITION: 4}
    consumer = SimpleNamespace(transport=SimpleNamespace(positions=positions))
    thread.consumer = cast(Any, consumer)
    monkeypatch.setattr(thread, "_ensure_consumer", lambda: log)
    monkeypatch.setattr(thread, "_state", lambda _tp: log)
    polls = await thread._pass_deleted(PARTITION, position)
    assert all(not poll.records for poll in polls.values())
    return [(poll.start, poll.end) for poll in polls.values()]


async def test_what_was_deleted_is_passed_from_the_end_of_the_last_poll_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = Log(9, 12, 5)
    assert await pass_deleted(monkeypatch, log, 5) == [(4, 9)]
    assert log.positions == {PARTITION: 9}


@pytest.mark.parametrize(
    "log",
    [
        pytest.param(Log(9, 12, 6), id="sought elsewhere meanwhile"),
        pytest.param(Log(9, 12, None), id="no position at all"),
        pytest.param(Log(9, 12, 5, KafkaConnectionError()), id="Kafka is away"),
        pytest.param(Log(9, 12, 5, TimeoutError()), id="Kafka does not answer"),
        pytest.param(Log(5, 12, 5), id="the position is in the log again"),
    ],
)
async def test_nothing_is_passed_where_nothing_is_known_to_be_deleted(
    monkeypatch: pytest.MonkeyPatch, log: Log
) -> None:
    assert await pass_deleted(monkeypatch, log, 5) == []
    assert log.positions == {}


async def test_a_log_that_ends_before_the_position_is_another_kafkas(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ForeignLog, match="applied up to 5, but its log ends at 3"):
        await pass_deleted(monkeypatch, Log(0, 3, 5), 5)


@pytest.mark.parametrize(("position", "reached"), [(None, 7), (9, 9)])
def test_a_position_that_is_not_known_counts_as_what_was_applied(
    monkeypatch: pytest.MonkeyPatch, position: int | None, reached: int
) -> None:
    thread = object.__new__(transport.ConsumerThread)
    thread._ends = {PARTITION: 7}
    monkeypatch.setattr(thread, "_state", lambda _tp: Log(9, 12, position))
    assert thread._reached(PARTITION, {PARTITION: 7}) == reached
    assert thread._reached(PARTITION, {PARTITION: 6}) == 6
    monkeypatch.setattr(thread, "_state", lambda _tp: None)
    assert thread._reached(PARTITION, {}) == 7
