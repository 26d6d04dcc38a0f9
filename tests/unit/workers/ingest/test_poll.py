"""Polls: what one costs to apply."""

from datetime import UTC, datetime

import pytest
from faust.types import TP

from tests.harness.kafka_records import kafka_record
from workers.ingest.poll import Poll


@pytest.mark.parametrize(
    ("values", "size"),
    [
        pytest.param([], 0, id="no record"),
        pytest.param([b"x"] * 5, 5, id="small records count one each"),
        pytest.param([b"x" * 10 * 1024], 10, id="a large record counts its KiB"),
        pytest.param([b"x" * 2048, b"x", None], 3, id="several records, small in all"),
    ],
)
def test_the_size_is_the_number_of_records_or_their_kib(
    values: list[bytes | None], size: int
) -> None:
    records = [kafka_record("topic", 0, offset, value) for offset, value in enumerate(values)]
    fetched_at = datetime(2026, 1, 1, tzinfo=UTC)
    assert Poll(TP("topic", 0), 0, len(values), records, fetched_at).size == size
