"""Whether a database belongs to the topics of the settings.

The positions in a database are offsets of one Kafka cluster's topics, and the outbox of a database
is published to one set of topics. Workers with another prefix, cluster or number of partitions
would apply or publish events a second time.
"""

from collections.abc import Mapping

from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.metadata import MetadataRequest

from db.installation import Installation
from schemas.topics import TOPICS
from workers.kafka.clients import client_arguments, guard_client
from workers.process.errors import ForeignInstallation
from workers.settings import Settings

METADATA_REQUEST_MILLISECONDS = 10_000

REMEDY = "correct the settings, or see `inbox adopt --help`"


async def installation_of(settings: Settings) -> Installation:
    """Returns the topics of the settings. Asks Kafka for its id. Raises KafkaError."""
    return Installation(settings.topic_prefix, settings.partitions, await _cluster_id(settings))


async def _cluster_id(settings: Settings) -> str:
    """Returns the id that the Kafka cluster gave itself; empty if it reports none."""
    client = AIOKafkaClient(
        **client_arguments(settings), request_timeout_ms=METADATA_REQUEST_MILLISECONDS
    )
    guard_client(client)
    try:
        await client.bootstrap()
        answer = await client.send(client.get_random_node(), MetadataRequest([]))
    finally:
        await client.close()
    return answer.to_object().get("cluster_id") or ""


def require_settings_fit(stored: Installation, settings: Settings) -> None:
    """Raise ForeignInstallation for another prefix or number of partitions. Kafka is not asked."""
    mine = Installation(settings.topic_prefix, settings.partitions, stored.kafka_cluster_id)
    require_same(stored, mine)


def require_same(stored: Installation, mine: Installation) -> None:
    """Raise ForeignInstallation, with all that differs, unless the database has these topics."""
    _require_none(differences(stored, mine))


def require_used_topics_fit(used: Mapping[str, int], mine: Installation) -> None:
    """Raise ForeignInstallation if the positions in a database are of other topics."""
    _require_none(contradictions(used, mine))


def _require_none(found: list[str]) -> None:
    if found:
        raise ForeignInstallation(
            f"this database belongs to other topics: {'; '.join(found)}. {REMEDY}"
        )


def differences(stored: Installation, mine: Installation) -> list[str]:
    """Returns a phrase for each difference between a database's topics and those given here."""
    names = ("INBOX_TOPIC_PREFIX", "INBOX_PARTITIONS", "the id of the Kafka cluster")
    return [
        f"{name} is {theirs or 'none'} in the database, and {ours or 'none'} here"
        for name, theirs, ours in zip(names, stored, mine, strict=True)
        if theirs != ours
    ]


def contradictions(used: Mapping[str, int], mine: Installation) -> list[str]:
    """Returns a phrase for each setting that the positions in a database contradict.

    `used` has the full names of topics, with how many partitions each has at least. Full names are
    compared, because one prefix may begin with another.
    """
    found = []
    if foreign := used.keys() - topic_names(mine):
        found.append(
            f"INBOX_TOPIC_PREFIX is {mine.topic_prefix} here, but the database has positions of "
            f"{min(foreign)}"
        )
    if (partitions := max(used.values(), default=0)) > mine.partitions:
        found.append(
            f"INBOX_PARTITIONS is {mine.partitions} here, but the database has positions of "
            f"{partitions} partitions"
        )
    return found


def topic_names(mine: Installation) -> set[str]:
    """Returns the full names of all topics."""
    return {mine.topic_prefix + name for name in TOPICS}
