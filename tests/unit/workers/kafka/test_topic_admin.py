"""What Kafka is asked to create, and which topics are as they must be."""

from typing import Any

import pytest

from schemas.topics import TOPICS
from workers.kafka.topic_admin import differences_of, new_topic
from workers.settings import Settings

LINKS = TOPICS["links"]


def settings_with(replication: int) -> Settings:
    return Settings.from_environment(
        {"INBOX_REPLICATION": str(replication), "INBOX_PARTITIONS": "2"}
    )


@pytest.mark.parametrize(
    ("replication", "in_sync"), [(1, "1"), (2, "1"), (3, "2"), (4, "2"), (5, "2")]
)
def test_from_three_replicas_on_two_must_have_a_record(replication: int, in_sync: str) -> None:
    for topic in TOPICS.values():
        asked = new_topic(settings_with(replication), topic)
        assert asked.replication_factor == replication
        assert asked.topic_configs == topic.config | {"min.insync.replicas": in_sync}


@pytest.mark.parametrize(
    ("replication", "replicas", "in_sync", "told"),
    [
        # As it was asked for.
        (1, [1, 1], "1", []),
        (2, [2, 2], "1", []),
        (3, [3, 3], "2", []),
        # Safer than it was asked for.
        (1, [3, 3], "2", []),
        (2, [2, 2], "2", []),
        (3, [5, 5], "3", []),
        # While replicas are moved, a partition has more of them.
        (3, [3, 6], "2", []),
        (3, [3, 3], "1", ["min.insync.replicas is 1, must be 2 or more"]),
        (3, [1, 1], "1", ["replicas is 1, must be 3 or more"]),
        (3, [3, 2], "2", ["replicas is 2, must be 3 or more"]),
        (
            1,
            [1, 1],
            "2",
            ["min.insync.replicas is 2, must be 1 or less, the number of replicas"],
        ),
        (
            3,
            [3, 3],
            "4",
            ["min.insync.replicas is 4, must be 3 or less, the number of replicas"],
        ),
    ],
)
def test_a_topic_with_too_few_copies_is_told(
    replication: int, replicas: list[int], in_sync: str, told: list[str]
) -> None:
    config = LINKS.config | {"min.insync.replicas": in_sync}
    assert differences_of(settings_with(replication), LINKS, replicas, config) == told


@pytest.mark.parametrize(
    ("replicas", "changed", "told"),
    [
        ([1], {}, ["partitions is 1, must be 2"]),
        ([1, 1], {"retention.ms": "1"}, ["retention.ms is 1, must be 604800000"]),
        ([1, 1], {"cleanup.policy": "compact"}, ["cleanup.policy is compact, must be delete"]),
    ],
)
def test_what_the_contract_fixes_must_be_so(
    replicas: list[int], changed: dict[str, Any], told: list[str]
) -> None:
    config = LINKS.config | {"min.insync.replicas": "1"} | changed
    assert differences_of(settings_with(1), LINKS, replicas, config) == told
