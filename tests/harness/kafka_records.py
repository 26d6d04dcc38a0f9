"""Kafka records as aiokafka gives them, for what needs no Kafka."""

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
) -> "ConsumerRecord[bytes, bytes]":
    """A record of no particular time."""
    return ConsumerRecord(
        topic=topic,
        partition=partition,
        offset=offset,
        timestamp=0,
        timestamp_type=0,
        key=key,
        value=value,
        checksum=None,
        serialized_key_size=0,
        serialized_value_size=0,
        headers=headers,
    )
