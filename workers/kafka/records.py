"""A Kafka record as our code reads it."""

from collections.abc import Sequence
from typing import Protocol


class KafkaRecord(Protocol):
    """A record as aiokafka, which has no types, returns it."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    """Milliseconds since 1970."""
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
