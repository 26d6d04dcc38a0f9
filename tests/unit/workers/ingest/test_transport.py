"""What the transport leans on in Faust and aiokafka: when that moves, this fails first."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from aiokafka.consumer.subscription_state import TopicPartitionState
from faust.transport import consumer as faust_consumer
from faust.transport.drivers import aiokafka as driver

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
