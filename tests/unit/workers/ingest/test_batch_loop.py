"""What the batch loop makes of a poll is the same however often the poll is tried."""

from datetime import UTC, datetime
from typing import Any, cast

import msgspec
from faust.types import TP

from schemas.cloudevents import Decoders, Incoming
from tests.harness.input_events import command
from tests.harness.kafka_records import kafka_record
from workers.agents.table import AGENTS
from workers.ingest.batch_loop import BatchLoop
from workers.ingest.poll import Poll
from workers.settings import Settings

FETCHED_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_a_command_that_nobody_gave_a_time_keeps_the_time_of_its_fetch() -> None:
    loop = BatchLoop(
        "lifecycle",
        Decoders(AGENTS["lifecycle"].structs),
        cast(Any, None),
        pool=cast(Any, None),
        settings=Settings.from_environment({}),
        records_max=1,
        hooks=cast(Any, None),
    )
    envelope = msgspec.json.decode(command("close", "+4911", "ana").value)
    del envelope["time"]
    record = kafka_record("lifecycle", 0, 7, msgspec.json.encode(envelope), timestamp=-1)
    poll = Poll(TP("lifecycle", 0), 7, 8, [record], FETCHED_AT)
    first, again = loop._slice(poll), loop._slice(poll)
    assert first == again
    [event] = first.events
    assert isinstance(event, Incoming)
    assert event.time == FETCHED_AT
