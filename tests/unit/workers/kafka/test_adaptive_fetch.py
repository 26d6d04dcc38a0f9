"""The fetch settings depend on the number of partitions."""

from workers.kafka.adaptive_fetch import (
    BUSY_WAIT_MILLISECONDS,
    fetch_arguments,
)


def test_a_fetch_of_many_partitions_waits_longer_and_brings_less_of_each() -> None:
    few, many = fetch_arguments(7, 8), fetch_arguments(7, 64)
    assert few["fetch_max_wait_ms"] == BUSY_WAIT_MILLISECONDS < many["fetch_max_wait_ms"]
    assert few["max_partition_fetch_bytes"] > many["max_partition_fetch_bytes"]
