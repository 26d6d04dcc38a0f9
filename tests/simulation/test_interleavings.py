"""Interleavings that were wrong once, step by step."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from schemas.cloudevents import CloudEvent, encode
from schemas.messages import Contact
from tests.simulation.inputs import MIXES
from tests.simulation.kafka import Record
from tests.simulation.product import SHARDS, simulated
from tests.simulation.published import Broken
from tests.simulation.simulation import Simulation
from tests.simulation.turns import Fate
from tests.simulation.worker import Worker
from tests.unit.domain.given.samples import message
from workers.ingest.topic_reader import PollEvent, TopicReader

OUTAGE_SECONDS, TRY_SECONDS = 2 * 3_600, 5
"""Of an outage; and how often a worker tries again at the least."""

LOG = ("messages.received", 0)
"""Where everything is published."""

STEPS_OF_KAFKA = {"fence the old owner", "read the marker"}
"""Those that the outage meets."""


@pytest.fixture
def simulation() -> Iterator[Simulation]:
    """Two workers, and nothing published."""
    with simulated():
        made = Simulation(MIXES[0])
        yield made
        made.close()


def publish(simulation: Simulation, *events: Any) -> None:
    """Somebody publishes messages."""
    log = simulation.kafka.inputs[LOG]
    for event in events:
        envelope = CloudEvent(event.id, event.type, event.time, event.data)
        record = Record(*LOG, log.end, 0, b"a key", encode(envelope))
        log.records.append(record)
        log.end += 1
        simulation.inputs.published.append(event)


def go_on(simulation: Simulation, worker: Worker, *, until: str = "nothing") -> None:
    """A worker goes on until it would take a certain step, or waits for something."""
    while own := [turn for turn in simulation.turns.waiting if turn.process is worker.process]:
        if own[0].what == until:
            return
        simulation.turns.give(own[0], Fate.DONE)


def apply(simulation: Simulation, worker: Worker, *, until: str = "nothing") -> None:
    """A worker applies what there is, and publishes what it emits."""
    worker.poll(worker.lanes[LOG], 100)
    go_on(simulation, worker, until=until)


def test_a_contact_writes_from_an_address_with_a_window_and_from_one_without(
    simulation: Simulation,
) -> None:
    windowed = message(provider_message_id="SM1")
    named = Contact(windowed.data.contact.address, "Ana", ("+4913",))
    publish(
        simulation,
        replace(windowed, data=replace(windowed.data, contact=named)),
        message(event_id="m2", provider_message_id="SM2", address="+4913"),
    )
    simulation.come_to_rest()
    (conversation,) = simulation.postgres.tables["conversations"].values()
    assert conversation.window_watched
    assert conversation.window_until is not None


@pytest.mark.parametrize("server", ["Postgres", "Kafka"])
def test_a_worker_outlives_an_outage_of_hours(simulation: Simulation, server: str) -> None:
    publish(simulation, message())
    worker = simulation.workers[0]
    worker.read({LOG})
    worker.poll(worker.lanes[LOG], 100)
    for _ in range(OUTAGE_SECONDS // TRY_SECONDS):
        for turn in list(simulation.turns.waiting):
            if (turn.what in STEPS_OF_KAFKA) == (server == "Kafka"):
                simulation.turns.give(turn, Fate.FAILED)
        simulation.turns.pass_time(TRY_SECONDS)
        for failure in worker.failures():
            raise failure
    simulation.come_to_rest()


def test_a_first_owner_wakes_up_when_another_has_published(simulation: Simulation) -> None:
    first, second = simulation.workers
    first.publish(range(SHARDS))
    second.publish(())
    second.read({LOG})
    # Nothing was published yet, so that there is no marker.
    go_on(simulation, first, until="load the outbox")
    first.process.is_frozen = True
    second.publish(range(SHARDS))
    publish(simulation, message())
    apply(simulation, second)
    publish(simulation, message(event_id="m2", provider_message_id="SM2"))
    apply(simulation, second, until="send records")
    first.process.is_frozen = False
    go_on(simulation, first)
    assert first.failures() == []
    simulation.come_to_rest()


def test_a_lost_poll_is_read_again_when_the_next_one_shows_the_gap(simulation: Simulation) -> None:
    publish(simulation, message())
    worker = simulation.workers[0]
    worker.read({LOG})
    worker.poll(worker.lanes[LOG], 100, is_lost=True)
    publish(simulation, message(event_id="m2", provider_message_id="SM2"))
    apply(simulation, worker)
    assert worker.lanes[LOG].position == 0, "the reader has rewound its partition"
    apply(simulation, worker)
    assert simulation.postgres.tables["positions"][LOG] == 2
    simulation.come_to_rest()


def test_an_ack_before_the_commit_is_noticed(
    simulation: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply_batch = TopicReader._apply

    async def ack_at_once(reader: TopicReader, events: Sequence[PollEvent]) -> bool:
        for event in events:
            event.ack()
        return await apply_batch(reader, events)

    monkeypatch.setattr(TopicReader, "_apply", ack_at_once)
    publish(simulation, message())
    with pytest.raises(Broken, match="a poll is acked only once it is applied"):
        simulation.come_to_rest()
