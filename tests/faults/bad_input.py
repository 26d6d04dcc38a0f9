"""What strangers and broken programs send: records that cannot be applied, and forged webhooks."""

import random
from typing import NamedTuple
from urllib.parse import quote

import msgspec

from bench.load.input_events import ACCOUNT, CHANNEL
from schemas.catalog import INBOUND
from schemas.cloudevents import CONTENT_TYPE_HEADER
from tests.harness.twilio import INBOUND_PATH, STATUS_PATH, Twilio, form


class Poison(NamedTuple):
    """A record that cannot be applied."""

    name: str
    topic: str
    value: bytes | None
    headers: list[tuple[str, bytes]]


def poison(chance: random.Random, number: int) -> Poison:
    """Returns a poison record of one of many kinds, for one of the topics."""
    name, topic = f"poison-{number}", chance.choice(sorted(INBOUND))
    event = {"specversion": "1.0", "id": name, "source": "/faults"}
    type_ = INBOUND[topic][0].TYPE
    values: dict[str, bytes | None] = {
        "empty": None,
        "not JSON": f"{{{name}".encode(),
        "not UTF-8": b'{"specversion": "1.0", "id": "\xff\xfe"}' + name.encode(),
        "no CloudEvent": msgspec.json.encode({"hello": name}),
        "unknown type": msgspec.json.encode(event | {"type": "inbox.nonsense.v1", "data": {}}),
        "no data": msgspec.json.encode(event | {"type": type_}),
        "wrong data": msgspec.json.encode(event | {"type": type_, "data": {"account_id": 7}}),
        "deep": name.encode().join([b'{"a":' * 3000, b"}" * 3000]),
        "large": name.encode() + b"x" * 300_000,
    }
    kind = chance.choice(sorted(values))
    if kind == "empty":
        return Poison(f"{name} {kind}", topic, None, [("trace", name.encode())])
    if chance.random() < 0.2:
        return _unstorable(name, event)
    headers = [CONTENT_TYPE_HEADER, ("trace", name.encode())]
    return Poison(f"{name} {kind}", topic, values[kind], headers)


def _unstorable(name: str, event: dict[str, str]) -> Poison:
    data = {
        "account_id": ACCOUNT,
        "channel_id": CHANNEL,
        "provider_message_id": name,
        "status": "failed",
        # A valid number of JSON that is too large for Postgres' integer: only Postgres refuses it.
        "error_code": 2**40,
    }
    value = msgspec.json.encode(event | {"type": "inbox.message.status.v1", "data": data})
    headers = [CONTENT_TYPE_HEADER, ("trace", name.encode())]
    return Poison(f"{name} unstorable", "messages.status", value, headers)


class BadWebhook(NamedTuple):
    """A webhook that must be refused."""

    name: str
    path: str
    body: bytes
    headers: dict[str, str]
    wanted: int
    """The only correct status of the answer."""


def bad_webhook(chance: random.Random, number: int, twilio: Twilio) -> BadWebhook:
    """Returns a bad webhook of one of many kinds."""
    name = f"bad-{number}"
    body = form(MessageSid=f"SM{name}", From="whatsapp:+4900", Body=name)
    signed = {"X-Twilio-Signature": twilio.signature(body)}
    path = chance.choice((INBOUND_PATH, STATUS_PATH))
    unsigned = {
        "no signature": (body.encode(), {}),
        "forged signature": (body.encode(), {"X-Twilio-Signature": "AAAAAAAAAAAAAAAAAAAAAAAAAAA="}),
        "another body's signature": (body.encode() + b"&Body=more", signed),
        "signature of no base64": (body.encode(), {"X-Twilio-Signature": "\u00e9\u00e9"}),
        "another account": (
            form(AccountSid="AC" + "f" * 32, Body=name).encode(),
            {"X-Twilio-Signature": "x" * 28},
        ),
        "bytes": (bytes(chance.randrange(256) for _ in range(200)), {}),
        "nothing": (b"", {}),
        "no form": (quote(name).encode() * 10, {"Content-Type": "application/json"}),
    }
    if chance.random() < 0.15:
        return BadWebhook(f"{name} too large", path, b"x" * (256 * 1024 + 1), {}, 413)
    if chance.random() < 0.15:
        empty = form(MessageSid="", SmsMessageSid="", SmsSid="")
        headers = {"X-Twilio-Signature": twilio.signature(empty)}
        return BadWebhook(f"{name} signed nonsense", INBOUND_PATH, empty.encode(), headers, 400)
    kind = chance.choice(sorted(unsigned))
    content, headers = unsigned[kind]
    return BadWebhook(f"{name} {kind}", path, content, headers, 403)
