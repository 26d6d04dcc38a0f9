"""Which partition a key belongs to."""

from functools import lru_cache

from aiokafka.partitioner import murmur2


@lru_cache(maxsize=32_768)
def partition_of(key: str, partitions: int) -> int:
    """Returns the partition that Kafka's own partitioner chooses for a key.

    Cached, because murmur2 in Python costs as much as a decision.
    """
    hashed: int = murmur2(key.encode())
    return (hashed & 0x7FFF_FFFF) % partitions
