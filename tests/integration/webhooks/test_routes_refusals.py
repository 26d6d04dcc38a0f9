"""Requests that Twilio does not send for our accounts are answered 4xx, and change nothing."""

import asyncio
import gzip
import random
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode

from twilio.request_validator import RequestValidator

from bench.mock_twilio.account import SID, TOKEN
from tests.harness.inbox import Owner
from tests.harness.log_lines import troubled_lines
from tests.harness.topics import Topics
from tests.harness.twilio import (
    CHANNELS,
    FORM_TYPE,
    INBOUND_PATH,
    SECRET,
    STATUS_PATH,
    Twilio,
    form,
)
from tests.harness.webhook_forms import install, messages
from tests.harness.worker import Worker


class Forgery(NamedTuple):
    """A form that none of our accounts signed."""

    body: str
    headers: dict[str, str]


def forgeries(twilio: Twilio) -> dict[str, Forgery]:
    """By name: forms whose signature is missing, wrong, or another account's."""
    good = form()
    signature = twilio.signature(good)
    stranger = form(AccountSid="AC99999999999999999999999999999999")
    elsewhere = RequestValidator(TOKEN).compute_signature(
        "https://elsewhere.example.com" + INBOUND_PATH, dict(parse_qsl(good))
    )
    settings = "X-Twilio-Webhooks-Signature-Settings"
    return {
        "no signature": Forgery(good, {}),
        "empty signature": Forgery(good, {"X-Twilio-Signature": ""}),
        "forged": Forgery(good, {"X-Twilio-Signature": "RSOYDt4T1cUTdK1PDd93/VVr8B8="}),
        "cut off": Forgery(good, {"X-Twilio-Signature": signature[:-1]}),
        "changed body": Forgery(form(Body="send money"), {"X-Twilio-Signature": signature}),
        "added field": Forgery(good + "&X=1", {"X-Twilio-Signature": signature}),
        "unknown account": Forgery(stranger, {"X-Twilio-Signature": twilio.signature(stranger)}),
        "no account": Forgery("Body=x", {"X-Twilio-Signature": twilio.signature("Body=x")}),
        "the Host header's URL": Forgery(
            good, {"X-Twilio-Signature": elsewhere, "Host": "elsewhere.example.com"}
        ),
        "unsupported algorithm": Forgery(
            good, {"X-Twilio-Signature": signature, settings: "algorithm=HMAC_MD5"}
        ),
        "another algorithm": Forgery(
            good, {"X-Twilio-Signature": signature, settings: "algorithm=HMAC_SHA256"}
        ),
        "unknown key": Forgery(
            good, {"X-Twilio-Signature": signature, settings: "key=k1,algorithm=HMAC_SHA1"}
        ),
    }


async def nothing_is_taken(topics: Topics) -> bool:
    """Whether the topics of the webhooks are empty."""
    names = ("messages.received", "messages.status", "dead-letters")
    return not any([await topics.read(name) for name in names])


async def test_what_no_account_of_ours_signed_is_403(
    twilio: Twilio, callbacks: Twilio, topics: Topics, owner: Owner
) -> None:
    await install(topics, owner, CHANNELS)
    for sender in (twilio, callbacks):
        for name, forgery in forgeries(sender).items():
            assert await sender.post_raw(forgery.body.encode(), forgery.headers) == 403, name
    # A signature for one webhook does not count for the other.
    signature = {"X-Twilio-Signature": twilio.signature(form())}
    assert await callbacks.post_raw(form().encode(), signature) == 403
    assert await nothing_is_taken(topics)


async def test_a_signed_form_that_is_no_message_is_400(
    twilio: Twilio, callbacks: Twilio, topics: Topics, owner: Owner
) -> None:
    await install(topics, owner, CHANNELS)
    # A status callback needs a status and the id of a message.
    assert await callbacks.post(form(MessageStatus="", SmsStatus="")) == 400
    assert await callbacks.post(form(MessageSid="")) == 400
    for name in ("MessageSid", "From", "To"):
        assert await twilio.post(form(**{name: ""})) == 400, name
        left_out = urlencode([pair for pair in parse_qsl(form()) if pair[0] != name])
        assert await twilio.post(left_out) == 400, name
    assert await twilio.post(form(MessageSid="SM/1")) == 400
    assert await twilio.post(form(From="whatsapp:+" + "4" * 300)) == 400
    # Also if its channel is unknown: as a dead letter it could never be redriven.
    assert await twilio.post(form(MessageSid="SM/1", To="whatsapp:+1")) == 400
    assert await nothing_is_taken(topics)


async def test_get_is_405(twilio: Twilio, worker: Worker) -> None:
    assert await worker.get_status(INBOUND_PATH) == 405
    assert await worker.get_status(INBOUND_PATH + "?" + form()) == 405


async def test_three_megabytes_are_413(twilio: Twilio, callbacks: Twilio, topics: Topics) -> None:
    big = form(Body="x" * 3_000_000)
    # A small body that becomes large when it is unpacked.
    packed = gzip.compress(b"\0" * 3_000_000)
    for sender in (twilio, callbacks):
        assert await sender.post(big) == 413
        assert await sender.post_raw(b"\0" * 3_000_000, {}) == 413
        assert await sender.post_raw(packed, {"Content-Encoding": "gzip"}) in {400, 403, 413}
    assert await nothing_is_taken(topics)


async def test_signed_oddities_are_never_5xx_and_never_lost(
    twilio: Twilio, topics: Topics, owner: Owner, worker: Worker
) -> None:
    await install(topics, owner, CHANNELS)
    taken = [
        form(MessageSid="SM1", Body="a\0b"),
        form(MessageSid="SM2", ProfileName="N" * 5_000),
        form(MessageSid="SM3", NumMedia="99999999999999999999"),
        form(MessageSid="SM4", NumMedia="-1"),
        form(MessageSid="SM5", NumMedia="٣"),  # a digit, but not ASCII
        form(MessageSid="SM6") + "&Body=again&Body=and+again",
        form(MessageSid="SM7").replace(SECRET, "%ED%A0%80"),
        form(MessageSid="SM8").replace(SECRET, "%zz%"),
        form(MessageSid="SM9", Body="", Latitude="52.5", Longitude="13.4", Label="Here"),
        form(MessageSid="SMa", From="a\0b"),
    ]
    for body in taken:
        assert await twilio.post(body) == 204, body
    rows = await messages(owner, len(taken))
    assert rows[0]["body"] == "a\ufffdb"
    assert rows[8]["body"] == "Here (52.5, 13.4)"

    assert rows[9]["sender_address"] == "a\ufffdb"

    # No channel can have such an address.
    assert await twilio.post(form(MessageSid="SMb", To="a\0b")) == 204
    [letter] = await topics.read_until("dead-letters", 1)
    assert letter.header("dl_code") == "unknown_channel"
    assert SECRET not in worker.log.read_text()


def junk(twilio: Twilio, chance: random.Random) -> list[tuple[str, bytes, dict[str, str], str]]:
    """Requests that Twilio does not send and nobody signed: name, body, headers, query."""
    good = form()
    signed = {"X-Twilio-Signature": twilio.signature(good)}
    made: list[tuple[str, bytes, dict[str, str], str]] = [
        (f"random bytes {number}", chance.randbytes(chance.randrange(2_000)), signed, "")
        for number in range(60)
    ]
    for number in range(60):
        cut = bytearray(good.encode())
        for _ in range(chance.randrange(1, 8)):
            cut[chance.randrange(len(cut))] = chance.randrange(256)
        made.append((f"flipped bytes {number}", bytes(cut) + b"&x", signed, ""))
    account = f"AccountSid={SID}&".encode()
    made += [
        ("nothing", b"", signed, ""),
        ("bad percents", account + b"%=%zz&%ED%A0%80=%&%00=%", signed, ""),
        ("10,000 fields", account + b"a=1&" * 10_000, signed, ""),
        ("many separators", account + b"&" * 50_000, signed, ""),
        ("semicolons", account.replace(b"&", b";") * 10, signed, ""),
        ("JSON", b'{"AccountSid": "x"}', signed | {"Content-Type": "application/json"}, ""),
        ("wrong type", account, signed | {"Content-Type": "multipart/form-data; boundary=x"}, ""),
        ("no type", account, signed | {"Content-Type": ""}, ""),
        ("bad charset", account, signed | {"Content-Type": f"{FORM_TYPE}; charset=x\xff"}, ""),
        ("bodySHA256", account, signed, "?bodySHA256="),
        ("bodySHA256 of something", account, signed, "?bodySHA256=" + "0" * 64),
        ("odd query", account, signed, "?%=%zz&%00&a[]=%ED%A0%80&&;"),
        ("long query", account, signed, "?" + "q" * 6_000),
        ("huge signature", account, {"X-Twilio-Signature": "x" * 7_900}, ""),
        ("odd signature", account, {"X-Twilio-Signature": "\xff\xe9 ==== \t!"}, ""),
        (
            "huge settings",
            account,
            signed | {"X-Twilio-Webhooks-Signature-Settings": "key=," * 1_500},
            "",
        ),
        (
            "odd settings",
            account,
            signed | {"X-Twilio-Webhooks-Signature-Settings": "=,=,algorithm==\xff,key=key="},
            "",
        ),
        ("not gzip", account, signed | {"Content-Encoding": "gzip"}, ""),
        ("not deflate", account, signed | {"Content-Encoding": "deflate"}, ""),
        ("cut gzip", gzip.compress(account)[:-9], signed | {"Content-Encoding": "gzip"}, ""),
        ("unknown encoding", account, signed | {"Content-Encoding": "rot13"}, ""),
        ("strange expectation", account, signed | {"Expect": "the worst"}, ""),
        ("odd host", account, signed | {"Host": "[::"}, ""),
    ]
    return made


async def test_junk_is_always_a_4xx(
    twilio: Twilio, callbacks: Twilio, topics: Topics, owner: Owner
) -> None:
    await install(topics, owner, CHANNELS)
    chance = random.Random(20)  # noqa: S311  # a seed, so that every run sends the same
    for sender in (twilio, callbacks):
        statuses = {
            name: await sender.post_raw(body, headers, query=query)
            for name, body, headers, query in junk(sender, chance)
        }
        assert {name: status for name, status in statuses.items() if not 400 <= status < 500} == {}
    assert await nothing_is_taken(topics)
    assert await twilio.post(form()) == 204


HEAD = b" HTTP/1.1\r\nHost: x\r\n"


def raw(path: str) -> dict[str, bytes]:
    """By name: requests that are hardly HTTP."""
    at = path.encode()
    post = b"POST " + at
    one = HEAD + b"Content-Length: 1\r\n\r\na"
    return {
        "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        "bad chunks": post + HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n",
        "a text in the place of a size": post
        + HEAD
        + b"Transfer-Encoding: chunked\r\n\r\n"
        + SECRET.encode(),
        "bad length": post + HEAD + b"Content-Length: -1\r\n\r\nabc",
        "huge length": post + HEAD + b"Content-Length: " + b"9" * 30 + b"\r\n\r\nabc",
        "two lengths": post + HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "no length": post + HEAD + b"\r\n",
        "bytes in the query": post + b"?\xff\xfe=\xe9" + one,
        "bytes with a body's hash": post + b"?bodySHA256=\xff\xfe&x=\x01" + one,
        "a fragment": post + b"#rc=5&rp=all" + one,
        "a query in a fragment": post + b"#?a=1" + one,
        "another host": b"POST http://[::" + at + one,
        "a port that is none": b"POST http://x:99999" + at + one,
        "a port that is a word": b"POST http://x:port" + at + one,
        "a host with a port that is none": post
        + b" HTTP/1.1\r\nHost: x:99999\r\nContent-Length: 1\r\n\r\na",
        "no host": post + b" HTTP/1.1\r\nContent-Length: 1\r\n\r\na",
        "an old protocol": post + b" HTTP/1.0\r\nContent-Length: 1\r\n\r\na",
        "an unknown protocol": post + b" HTTP/7.3\r\nContent-Length: 1\r\n\r\na",
        "huge header": post + HEAD + b"X: " + b"x" * 9_000 + b"\r\n\r\n",
        "many headers": post + HEAD + b"X: x\r\n" * 20_000 + b"\r\n",
        "NUL in a header": post + HEAD + b"X-Twilio-Signature: a\0b\r\nContent-Length: 1\r\n\r\na",
        "a folded header": post
        + HEAD
        + b"X-Twilio-Signature: a\r\n b\r\nContent-Length: 1\r\n\r\na",
        "a huge path": post + b"?" + b"q" * 100_000 + one,
        "a climbing path": b"POST /twilio/.." + at + one,
        "strange method": b"BREW " + at + HEAD + b"\r\n",
    }


async def answered(worker: Worker, request: bytes) -> int:
    """Send a raw request; the status of the answer."""
    settings = worker.settings
    reader, writer = await asyncio.open_connection(settings.web_host, settings.web_port)
    writer.write(request)
    async with asyncio.timeout(30):
        answer = await reader.readline()
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    return int(answer.split()[1])


async def test_what_is_hardly_http_is_a_4xx(worker: Worker) -> None:
    for path in (INBOUND_PATH, STATUS_PATH):
        statuses = {name: await answered(worker, request) for name, request in raw(path).items()}
        assert {name: status for name, status in statuses.items() if not 400 <= status < 500} == {}
    assert await worker.is_ready()
    # Whoever sends such a thing causes no trouble, and nothing of it is quoted.
    assert troubled_lines(worker.log) == []
    assert SECRET not in worker.log.read_text()


async def test_a_body_that_does_not_come_is_408(worker: Worker) -> None:
    for path in (INBOUND_PATH, STATUS_PATH):
        slow = b"POST " + path.encode() + HEAD + b"Content-Length: 100\r\n\r\nabc"
        chunked = b"POST " + path.encode() + HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc"
        statuses = await asyncio.gather(answered(worker, slow), answered(worker, chunked))
        assert set(statuses) == {408}
    assert await worker.is_ready()
