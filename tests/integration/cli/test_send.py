"""`inbox send` publishes valid events, and nothing when one is invalid."""

import json
import os

import msgspec
import pytest

from tests.harness.command import inbox, run
from tests.harness.input_events import ACCOUNT, CHANNEL, conversation
from tests.harness.topics import Topics
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


def lifecycle(verb: str, conversation_id: str) -> dict[str, object]:
    """Returns a command without its envelope."""
    data = {"account_id": ACCOUNT, "conversation_id": conversation_id, "actor_id": "ana"}
    return {"type": f"inbox.conversation.{verb}.v1", "data": data}


async def test_send_fills_the_envelope_in_and_keys_by_the_derived_conversation(
    settings: Settings, topics: Topics
) -> None:
    # On several lines, as people write JSON.
    sent = await inbox(settings, "send", stdin=json.dumps(MESSAGE, indent=2).encode())

    assert sent.status == 0, sent.err
    [record] = await topics.read("messages.received")
    event = record.event
    [line] = sent.lines
    assert line == f"{record.topic} {record.partition} {record.offset} {event['id']}"
    assert record.key == conversation(CONTACT).encode()
    assert record.header("content-type") == "application/cloudevents+json; charset=utf-8"
    assert (event["specversion"], event["source"]) == ("1.0", "/inbox/send")
    assert event["data"] == MESSAGE["data"]


async def test_send_keeps_what_the_envelope_has(settings: Settings, topics: Topics) -> None:
    given = lifecycle("close", conversation(CONTACT)) | {
        "specversion": "1.0",
        "id": "close-1",
        "source": "/crm",
        "time": "2026-01-01T12:00:00Z",
        "tenant": "kept as it is",
    }
    sent = await inbox(settings, "send", stdin=json.dumps(given).encode())

    assert sent.status == 0
    [record] = await topics.read("lifecycle")
    assert record.event == given


async def test_send_takes_several_documents_to_several_topics(
    settings: Settings, topics: Topics
) -> None:
    # A conversation id may be written in capitals. The key of the record is the same.
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
    [message] = await topics.read("messages.received")
    [close] = await topics.read("lifecycle")
    [user] = await topics.read("directory")
    [status] = await topics.read("messages.status")
    assert message.key == close.key == conversation(CONTACT).encode()
    assert message.partition == close.partition
    assert user.key == ACCOUNT.encode()
    assert status.key


async def test_send_sends_nothing_when_one_document_is_invalid(
    settings: Settings, topics: Topics
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
    assert await topics.read("messages.received") == []


@pytest.mark.parametrize(
    ("stdin", "error"),
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
async def test_send_refuses_what_is_no_event(stdin: bytes, error: str) -> None:
    # Everything is validated before Kafka is reached, so this test needs no Kafka.
    sent = await run(dict(os.environ) | {"INBOX_KAFKA": "127.0.0.1:1"}, "send", stdin=stdin)
    assert (sent.status, sent.out) == (1, "")
    assert error in sent.err
    assert "Traceback" not in sent.err
