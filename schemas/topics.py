"""Every Kafka topic in one table."""

from dataclasses import dataclass
from enum import Enum

HOUR_MILLISECONDS = 3_600_000
DAY_MILLISECONDS = 24 * HOUR_MILLISECONDS
FOR_EVER = -1

RECORD_BYTES_MAX = 256 * 1024
"""The limit of a record's value; a larger one is dead-lettered as `too_large`."""

TOPIC_BYTES_MAX = 4 * 1024 * 1024
"""The limit of the topics. It is higher, so that a record that is too large comes in, and is
dead-lettered instead of lost."""

DEAD_LETTER_BYTES_MAX = 5 * 1024 * 1024
"""Room for the largest record together with the headers of a dead letter."""

RELAY_SHARDS = 4
"""The partitions of the topic `relay`. All events of a conversation go through one shard. A change
of the number while the outbox holds rows would reorder them: so it is a constant, no setting."""


def min_in_sync_replicas(replication: int) -> int:
    """Returns how many replicas must have a record before Kafka acknowledges it.

    Two, so that one broker may be lost. With two replicas that would refuse all records as soon as
    one broker restarts, so two begin with three replicas.
    """
    return 2 if replication >= 3 else 1


class Key(Enum):
    """The key of the records of a topic."""

    CONVERSATION = "conversation id"
    ACCOUNT = "account id"
    SOURCE = "the record's own key"
    SHARD = "shard number"


@dataclass(frozen=True, kw_only=True, slots=True)
class Topic:
    """A topic with its required values: `inbox topics` creates and verifies them."""

    name: str
    """Without the prefix."""
    key: Key
    retention_milliseconds: int
    """How long Kafka keeps a record; -1 keeps it for ever."""
    producers: str
    consumers: str
    purpose: str
    compacted: bool = False
    bytes_max: int = TOPIC_BYTES_MAX
    partitions: int | None = None
    """None: as many as `INBOX_PARTITIONS`, so that a key has the same partition in all topics."""

    @property
    def config(self) -> dict[str, str]:
        """The topic's configuration, by Kafka's names."""
        values = {
            "cleanup.policy": "compact" if self.compacted else "delete",
            "retention.ms": str(self.retention_milliseconds),
            "max.message.bytes": str(self.bytes_max),
        }
        if self.compacted:
            # Small segments are compacted soon, so that few reads find the newest marker.
            values["segment.bytes"] = str(16 * 1024 * 1024)
        return values


_SERVICES = "other services"
_WORKERS = "workers"

TOPICS: dict[str, Topic] = {
    topic.name: topic
    for topic in (
        Topic(
            name="messages.received",
            key=Key.CONVERSATION,
            retention_milliseconds=7 * DAY_MILLISECONDS,
            producers="the webhook, importers, `inbox reconcile`",
            consumers=_WORKERS,
            purpose="Messages of contacts.",
        ),
        Topic(
            name="messages.send",
            key=Key.CONVERSATION,
            retention_milliseconds=7 * DAY_MILLISECONDS,
            producers=_SERVICES,
            consumers=_WORKERS,
            purpose="Users' replies, to be sent.",
        ),
        Topic(
            name="messages.status",
            key=Key.CONVERSATION,
            retention_milliseconds=7 * DAY_MILLISECONDS,
            producers="the webhook",
            consumers=_WORKERS,
            purpose="Delivery receipts.",
        ),
        Topic(
            name="assignments",
            key=Key.CONVERSATION,
            retention_milliseconds=7 * DAY_MILLISECONDS,
            producers=_SERVICES,
            consumers=_WORKERS,
            purpose="Commands: assign and unassign.",
        ),
        Topic(
            name="lifecycle",
            key=Key.CONVERSATION,
            retention_milliseconds=7 * DAY_MILLISECONDS,
            producers=_SERVICES,
            consumers=_WORKERS,
            purpose="Commands: close, reopen, delete.",
        ),
        Topic(
            name="links",
            key=Key.CONVERSATION,
            retention_milliseconds=7 * DAY_MILLISECONDS,
            producers=_SERVICES,
            consumers=_WORKERS,
            purpose="Commands: link, unlink, request an entity.",
        ),
        Topic(
            name="notes.changed",
            key=Key.CONVERSATION,
            retention_milliseconds=7 * DAY_MILLISECONDS,
            producers="the CRM",
            consumers=_WORKERS,
            purpose="Notes edited or deleted in the CRM.",
        ),
        Topic(
            name="directory",
            key=Key.ACCOUNT,
            retention_milliseconds=30 * DAY_MILLISECONDS,
            producers=_SERVICES,
            consumers=_WORKERS,
            purpose="Users, their settings, and channels.",
        ),
        Topic(
            name="conversations",
            key=Key.CONVERSATION,
            retention_milliseconds=FOR_EVER,
            producers=_WORKERS,
            consumers=_SERVICES,
            purpose="The whole log of the inbox: one event per version of a conversation.",
        ),
        Topic(
            name="notifications",
            key=Key.CONVERSATION,
            retention_milliseconds=3 * DAY_MILLISECONDS,
            producers=_WORKERS,
            consumers=_SERVICES,
            purpose="Users to be notified.",
        ),
        Topic(
            name="notes",
            key=Key.CONVERSATION,
            retention_milliseconds=7 * DAY_MILLISECONDS,
            producers=_WORKERS,
            consumers="the CRM",
            purpose="Texts for the notes in the CRM.",
        ),
        Topic(
            name="messages.sent",
            key=Key.CONVERSATION,
            retention_milliseconds=7 * DAY_MILLISECONDS,
            producers=_WORKERS,
            consumers=_SERVICES,
            purpose="The delivery status of replies.",
        ),
        Topic(
            name="results",
            key=Key.CONVERSATION,
            retention_milliseconds=3 * DAY_MILLISECONDS,
            producers=_WORKERS,
            consumers=_SERVICES,
            purpose="Exactly one result of every command.",
        ),
        Topic(
            name="dead-letters",
            key=Key.SOURCE,
            retention_milliseconds=30 * DAY_MILLISECONDS,
            bytes_max=DEAD_LETTER_BYTES_MAX,
            producers=_WORKERS,
            consumers="people, through `inbox dead-letters`",
            purpose="Records that could not be applied, unchanged.",
        ),
        Topic(
            name="relay",
            key=Key.SHARD,
            retention_milliseconds=FOR_EVER,
            compacted=True,
            partitions=RELAY_SHARDS,
            producers=_WORKERS,
            consumers=_WORKERS,
            purpose="How far each shard of the outbox is published.",
        ),
    )
}
