"""Our partitions of keys are those of Kafka's own partitioner."""

from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st

from workers.kafka.partitions import partition_of


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(1, 100))
def test_the_partition_of_a_key_is_the_one_that_every_producer_chooses(
    key: str, partitions: int
) -> None:
    every = list(range(partitions))
    assert partition_of(key, partitions) == DefaultPartitioner()(key.encode(), every, every)
