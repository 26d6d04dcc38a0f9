"""Kafka records as aiokafka returns them, for tests that need no Kafka."""

from aiokafka.structs import ConsumerRecord

Headers = tuple[tuple[str, bytes | None], ...]


def kafka_record(
    topic: str,
    partition: int,
    offset: int,
    value: bytes | None,
    *,
    key: bytes | None = None,
    headers: Headers = (),
    timestamp: int = 0,
) -> "ConsumerRecord[bytes, bytes]":
    """Returns a record; its timestamp is in milliseconds since 1970."""
    return ConsumerRecord(
        topic=topic,
        partition=partition,
        offset=offset,
        timestamp=timestamp,
        timestamp_type=0,
        key=key,
        value=value,
        checksum=None,
        serialized_key_size=0,
        serialized_value_size=0,
        headers=headers,
    )
