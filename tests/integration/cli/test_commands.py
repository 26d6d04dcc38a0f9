"""The command line as people use it: a process, its output, its exit status."""

import json
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from schemas.topics import TOPICS, Topic
from tests.harness.command import inbox, run
from tests.harness.published import ACCOUNT, CHANNEL, conversation
from tests.harness.topics import Bus
from workers.settings import Settings

CONTACT = "whatsapp:+4911"
MESSAGE = {
    "type": "inbox.message.received.v1",
    "data": {
        "account_id": ACCOUNT,
        "channel_id": CHANNEL,
        "provider_message_id": "SM1",
        "contact": {"address": CONTACT},
        "body": "Olá",
        "sent_at": "2026-01-01T12:00:00Z",
    },
}


@pytest.fixture
async def admin(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    """An administrator of the test's Kafka."""
    client = AIOKafkaAdminClient(bootstrap_servers=list(settings.kafka or ()))
    await client.start()
    yield client
    await client.close()


def lifecycle(what: str, conversation_id: str) -> dict[str, object]:
    """A command without an envelope."""
    data = {"account_id": ACCOUNT, "conversation_id": conversation_id, "actor_id": "ana"}
    return {"type": f"inbox.conversation.{what}.v1", "data": data}


async def test_send_fills_the_envelope_in_and_keys_by_the_derived_conversation(
    settings: Settings, bus: Bus
) -> None:
    # Spread over several lines, as people write JSON.
    sent = await inbox(settings, "send", stdin=json.dumps(MESSAGE, indent=2).encode())

    assert sent.status == 0, sent.err
    [record] = await bus.read("messages.received")
    event = record.event
    [line] = sent.lines
    assert line == f"{record.topic} {record.partition} {record.offset} {event['id']}"
    assert record.key == conversation(CONTACT).encode()
    assert record.header("content-type") == "application/cloudevents+json; charset=utf-8"
    assert (event["specversion"], event["source"]) == ("1.0", "/inbox/send")
    assert event["data"] == MESSAGE["data"]


async def test_send_keeps_what_the_envelope_has(settings: Settings, bus: Bus) -> None:
    given = lifecycle("close", conversation(CONTACT)) | {
        "specversion": "1.0",
        "id": "close-1",
        "source": "/crm",
        "time": "2026-01-01T12:00:00Z",
        "tenant": "kept as it is",
    }
    sent = await inbox(settings, "send", stdin=json.dumps(given).encode())

    assert sent.status == 0
    [record] = await bus.read("lifecycle")
    assert record.event == given


async def test_send_takes_several_documents_to_several_topics(settings: Settings, bus: Bus) -> None:
    # The id of a conversation may be written in capitals; the key is one all the same.
    documents = [
        MESSAGE,
        lifecycle("close", conversation(CONTACT).upper()),
        {
            "type": "inbox.user.removed.v1",
            "data": {"account_id": ACCOUNT, "user_id": "bo"},
        },
        {
            "type": "inbox.message.status.v1",
            "data": {
                "account_id": ACCOUNT,
                "channel_id": CHANNEL,
                "provider_message_id": "SM2",
                "status": "read",
            },
        },
    ]
    sent = await inbox(settings, "send", stdin=b"\n".join(map(msgspec.json.encode, documents)))

    assert sent.status == 0, sent.err
    assert [line.split()[0].removeprefix(settings.topic_prefix) for line in sent.lines] == [
        "messages.received",
        "lifecycle",
        "directory",
        "messages.status",
    ]
    [message] = await bus.read("messages.received")
    [close] = await bus.read("lifecycle")
    [user] = await bus.read("directory")
    [status] = await bus.read("messages.status")
    assert message.key == close.key == conversation(CONTACT).encode()
    assert message.partition == close.partition
    assert user.key == ACCOUNT.encode()
    assert status.key


async def test_send_sends_nothing_when_one_document_is_invalid(
    settings: Settings, bus: Bus
) -> None:
    no_actor = {"type": "inbox.conversation.close.v1", "data": {"account_id": ACCOUNT}}
    not_inbound = {"type": "inbox.conversation.closed.v1", "data": {}}
    bad_body = MESSAGE | {"data": MESSAGE["data"] | {"body": 1}}  # type: ignore[operator]
    documents = [MESSAGE, no_actor, bad_body, not_inbound, [1], {"data": {}}]
    stdin = b"\n".join(map(msgspec.json.encode, documents)) + b'\n{"type": '
    sent = await inbox(settings, "send", stdin=stdin)

    assert (sent.status, sent.out) == (1, "")
    lines = sent.err.splitlines()
    assert lines[0] == "inbox: nothing was sent"
    assert [line.split(":")[:2] for line in lines[1:]] == [
        ["document 2", " invalid_data"],
        ["document 3", " invalid_data"],
        ["document 4", " unknown_type"],
        ["document 5", " not_cloudevent"],
        ["document 6", " not_cloudevent"],
        ["document 7", " not_json"],
    ]
    assert lines[2].endswith("Expected `str`, got `int` - at `$.data.body`")
    assert await bus.read("messages.received") == []


@pytest.mark.parametrize(
    ("stdin", "said"),
    [
        (b"", "there is no event on stdin"),
        (b" \r\n\t", "there is no event on stdin"),
        (b"\xff\xfe", "document 1: not_json"),
        (b"[" * 100_000, "document 1: not_json"),
        (b'{"type": NaN}', "document 1: not_json"),
        (json.dumps(MESSAGE).replace("Ol", "\\ud800").encode(), "document 1: unstorable"),
        (json.dumps(MESSAGE).replace("Ol", "\\u0000").encode(), "document 1: unstorable"),
        (json.dumps(MESSAGE).replace("Ol", "x" * 300_000).encode(), "document 1: too_large"),
    ],
    ids=["nothing", "space", "not UTF-8", "deep", "NaN", "surrogate", "NUL", "large"],
)
async def test_send_refuses_what_is_no_event(stdin: bytes, said: str) -> None:
    # All is validated before Kafka is asked for, so that none is needed here.
    sent = await run(dict(os.environ) | {"INBOX_KAFKA": "127.0.0.1:1"}, "send", stdin=stdin)
    assert (sent.status, sent.out) == (1, "")
    assert said in sent.err
    assert "Traceback" not in sent.err


async def test_config_shows_every_setting_and_no_secret(settings: Settings) -> None:
    shown = await inbox(settings, "config")

    assert shown.status == 0
    names = [line.partition("=")[0] for line in shown.lines]
    assert names == [variable.name for variable in Settings.variables()]
    assert "INBOX_TWILIO_ACCOUNTS=(set)" in shown.lines
    assert f"INBOX_PARTITIONS={settings.partitions}" in shown.lines
    assert "INBOX_REPLICATION=1" in " ".join(shown.lines)
    assert ":***@127.0.0.1:" in shown.out
    for secret in ("12345", "owner-secret", "worker-secret"):
        assert secret not in shown.out


@pytest.mark.parametrize("command", ["config", "migrate", "topics", "worker", "send"])
async def test_a_wrong_setting_is_named_and_exits_with_2(command: str) -> None:
    ended = await run(dict(os.environ) | {"INBOX_PARTITIONS": "many"}, command)
    assert ended.status == 2
    assert ended.err == "inbox: INBOX_PARTITIONS: must be a whole number from 1 to 10000\n"


@pytest.mark.parametrize(
    ("arguments", "variable"),
    [
        (["worker"], "INBOX_KAFKA"),
        (["topics"], "INBOX_KAFKA"),
        (["send"], "INBOX_KAFKA"),
        (["dead-letters", "list"], "INBOX_KAFKA"),
        (["dead-letters", "redrive", "--all"], "INBOX_KAFKA"),
        (["migrate"], "INBOX_DATABASE_URL"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
async def test_a_missing_setting_is_named_and_exits_with_2(
    arguments: list[str], variable: str
) -> None:
    environment = {key: value for key, value in os.environ.items() if key[:6] != "INBOX_"}
    ended = await run(environment, *arguments)
    assert ended.status == 2
    assert ended.err == f"inbox: {variable}: is not set, and this command needs it\n"


async def test_migrating_twice_changes_nothing_the_second_time(
    database: Settings, tmp_path: Path
) -> None:
    again = await inbox(database, "migrate")
    assert (again.status, again.out, again.err) == (0, "up to date\n", "")


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


async def test_fausts_own_commands_stay_reachable(settings: Settings) -> None:
    agents = await inbox(settings, "faust", "agents")
    assert agents.status == 0, agents.err
    for topic in ("messages.received", "assignments", "lifecycle", "directory"):
        assert settings.topic(topic) in agents.out


async def test_a_kafka_that_does_not_answer_is_one_line(settings: Settings) -> None:
    nowhere = replace(settings, kafka=("127.0.0.1:1",))
    sent = await inbox(nowhere, "send", stdin=msgspec.json.encode(MESSAGE))
    assert (sent.status, sent.out) == (1, "")
    assert sent.err.splitlines()[-1].startswith("inbox: Kafka does not answer: ")
    assert "Traceback" not in sent.err


@pytest.mark.parametrize(
    "arguments",
    [["send"], ["dead-letters", "list"], ["dead-letters", "redrive", "--all"]],
    ids=" ".join,
)
async def test_topics_that_are_missing_are_said_at_once(
    settings: Settings, arguments: list[str]
) -> None:
    nowhere = replace(settings, topic_prefix="nowhere.")
    ended = await inbox(nowhere, *arguments, stdin=msgspec.json.encode(MESSAGE))
    assert (ended.status, ended.out) == (1, "")
    [line] = ended.err.splitlines()
    assert line.startswith("inbox: nowhere.")
    assert line.endswith(": no such topic, run `inbox topics`")
