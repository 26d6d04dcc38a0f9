"""The table of topics keeps the contract's promises."""

import re

import pytest

from schemas.catalog import INBOUND, OUTBOUND
from schemas.topics import DAY_MILLISECONDS, FOR_EVER, RECORD_BYTES_MAX, TOPICS, Key, Topic

MIB = 1024 * 1024
READ = {
    "messages.received",
    "messages.send",
    "messages.status",
    "assignments",
    "lifecycle",
    "links",
    "notes.changed",
    "directory",
}
WRITTEN = {
    "conversations",
    "notifications",
    "notes",
    "messages.sent",
    "results",
    "dead-letters",
}

every_topic = pytest.mark.parametrize("topic", TOPICS.values(), ids=list(TOPICS))


def test_these_are_the_topics() -> None:
    assert TOPICS.keys() == READ | WRITTEN | {"relay"}
    assert INBOUND.keys() == READ
    assert OUTBOUND.keys() == WRITTEN - {"dead-letters"}


@every_topic
def test_a_topic_is_found_by_its_name_which_kafka_allows(topic: Topic) -> None:
    assert TOPICS[topic.name] is topic
    assert re.fullmatch(r"[a-z.-]{1,100}", topic.name)


@every_topic
def test_the_key_is_the_conversation_everywhere_but_in_the_directory(topic: Topic) -> None:
    others = {"directory": Key.ACCOUNT, "dead-letters": Key.SOURCE, "relay": Key.SHARD}
    assert topic.key is others.get(topic.name, Key.CONVERSATION)


@every_topic
def test_all_topics_but_the_relays_have_the_same_partitions(topic: Topic) -> None:
    assert (topic.partitions is None) == (topic.name != "relay")


@every_topic
def test_a_topic_takes_more_than_a_record_may_have(topic: Topic) -> None:
    assert topic.bytes_max == (5 * MIB if topic.name == "dead-letters" else 4 * MIB)
    assert topic.bytes_max > RECORD_BYTES_MAX == 256 * 1024


@every_topic
def test_a_topic_says_who_uses_it_and_what_for(topic: Topic) -> None:
    assert topic.producers
    assert topic.consumers
    assert topic.purpose.endswith(".")


def test_the_log_of_the_inbox_is_kept_for_ever() -> None:
    assert TOPICS["conversations"].retention_milliseconds == FOR_EVER
    assert not TOPICS["conversations"].compacted


@every_topic
def test_what_is_not_kept_for_ever_is_kept_for_days(topic: Topic) -> None:
    if topic.name not in {"conversations", "relay"}:
        assert topic.retention_milliseconds >= 3 * DAY_MILLISECONDS


def test_the_configuration_is_in_kafkas_words() -> None:
    assert TOPICS["assignments"].config == {
        "cleanup.policy": "delete",
        "retention.ms": "604800000",
        "max.message.bytes": "4194304",
    }
    assert TOPICS["relay"].config == {
        "cleanup.policy": "compact",
        "retention.ms": "-1",
        "max.message.bytes": "4194304",
        "segment.bytes": "16777216",
    }
