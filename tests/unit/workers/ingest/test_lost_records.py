"""A slice that is lost is one line and a number."""

import logging

import pytest

from tests.harness.kafka_records import kafka_record
from workers.ingest.lost_records import say_lost
from workers.ingest.partition_slice import PartitionSlice
from workers.process import metrics

RECORD = kafka_record("inbox.links", 1, 4, b"x")


def test_a_loss_is_one_line_and_a_number(caplog: pytest.LogCaptureFixture) -> None:
    counter = metrics.LOST_RECORDS.labels("links")
    before = counter._value.get()
    slices = [
        PartitionSlice(("inbox.links", 1), 4, 5, [RECORD], []),
        PartitionSlice(("inbox.links", 2), 10, 13, [], [], lost=True),
        # Markers of transactions are left of it, after another worker applied its records.
        PartitionSlice(("inbox.links", 1), 4, 7, [RECORD], []).after(5),
    ]
    say_lost("links", slices)
    assert counter._value.get() - before == 3
    [said] = caplog.records
    assert said.levelno == logging.ERROR
    assert said.getMessage().startswith(
        "inbox.links[2]: up to 3 records are lost, offsets 10 to 12: "
    )
