"""`inbox topics` creates topics, verifies them, and never changes one."""

from dataclasses import replace

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from schemas.topics import TOPICS, Topic
from tests.harness.command import inbox
from workers.settings import Settings

TOPIC_CONFIG = 1
"""Kafka's source of a value that the topic itself has."""


async def test_topics_are_created_once_and_verified_after(settings: Settings) -> None:
    fresh = replace(settings, topic_prefix=settings.topic_prefix + "fresh.")
    created = await inbox(fresh, "topics")
    assert created.status == 0
    assert sorted(created.lines) == sorted(
        [f"created {fresh.topic(name)}" for name in TOPICS] + ["all topics are as they must be"]
    )
    verified = await inbox(fresh, "topics")
    assert (verified.status, verified.out) == (0, "all topics are as they must be\n")


async def test_another_number_of_partitions_is_told_for_each_topic(settings: Settings) -> None:
    verified = await inbox(replace(settings, partitions=settings.partitions + 1), "topics")
    assert (verified.status, verified.out) == (1, "")
    lines = verified.err.splitlines()
    wanted, actual = settings.partitions + 1, settings.partitions
    assert f"{settings.topic('lifecycle')}: partitions is {actual}, must be {wanted}" in lines
    assert not [line for line in lines if settings.topic("relay") in line]


@pytest.mark.parametrize(
    ("topic", "key", "value"),
    [
        (TOPICS["results"], "retention.ms", "60000"),
        (TOPICS["conversations"], "retention.ms", "604800000"),
        (TOPICS["relay"], "cleanup.policy", "delete"),
        (TOPICS["conversations"], "cleanup.policy", "compact"),
        (TOPICS["messages.received"], "max.message.bytes", "1048576"),
    ],
    ids=lambda value: value.name if isinstance(value, Topic) else value,
)
async def test_a_topic_that_differs_is_told_and_left_alone(
    settings: Settings, admin: AIOKafkaAdminClient, topic: Topic, key: str, value: str
) -> None:
    other = replace(settings, topic_prefix=settings.topic_prefix + "other.")
    name = other.topic(topic.name)
    config = topic.config | {key: value}
    await admin.create_topics(
        [NewTopic(name, topic.partitions or other.partitions, 1, topic_configs=config)]
    )
    for _ in range(2):
        verified = await inbox(other, "topics")
        assert (verified.status, verified.out) == (1, "")
        assert verified.err.splitlines() == [
            "inbox: topics are not as they must be:",
            f"{name}: {key} is {value}, must be {topic.config[key]}",
        ]


async def test_a_topic_that_asks_for_more_copies_than_it_has_is_told(
    settings: Settings, admin: AIOKafkaAdminClient
) -> None:
    other = replace(settings, topic_prefix=settings.topic_prefix + "more.")
    name = other.topic("notes")
    config = TOPICS["notes"].config | {"min.insync.replicas": "2"}
    await admin.create_topics([NewTopic(name, other.partitions, 1, topic_configs=config)])
    verified = await inbox(other, "topics")
    assert verified.status == 1
    # Kafka would take none of its records.
    assert verified.err.splitlines()[1:] == [
        f"{name}: min.insync.replicas is 2, must be 1 or less, the number of replicas"
    ]


async def test_topics_with_fewer_replicas_than_asked_for_are_told(settings: Settings) -> None:
    verified = await inbox(replace(settings, replication=3), "topics")
    assert verified.status == 1
    assert sorted(verified.err.splitlines()[1:]) == sorted(
        f"{settings.topic(name)}: replicas is 1, must be 3 or more" for name in TOPICS
    )


async def test_topics_ask_for_what_their_replicas_can_do_whatever_the_broker_does(
    settings: Settings, admin: AIOKafkaAdminClient
) -> None:
    resource = ConfigResource(ConfigResourceType.TOPIC, settings.topic("results"))
    (response,) = await admin.describe_configs([resource])
    entries = {entry[0]: entry for entry in response.resources[0][4]}
    value, source = entries["min.insync.replicas"][1], entries["min.insync.replicas"][3]
    # It is the topic's own: where a broker's default is 2, one replica would take no record.
    assert (value, source) == ("1", TOPIC_CONFIG)
