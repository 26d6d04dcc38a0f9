"""Twilio's webhook on a real worker: signed messages get through once, everything else is a 4xx."""

import asyncio
import gzip
import json
import random
from collections.abc import AsyncIterator
from typing import NamedTuple, TypeAlias
from urllib.parse import parse_qsl, urlencode

import aiohttp
import asyncpg
import pytest
from twilio.request_validator import RequestValidator

from tests.bus import Bus
from tests.command import inbox
from tests.events import ACCOUNT, channel, conversation
from tests.twilio import CHANNELS, FORM_TYPE, PATH, SECRET, SID, TOKEN, Twilio, form
from tests.waiting import until
from tests.worker import Worker
from workers.settings import Settings

Owner: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

SMS = (
    "ToCountry=US&ToState=CA&SmsMessageSid=SM00000000000000000000000000000001&NumMedia=0"
    "&ToCity=SAN+BRUNO&FromZip=&SmsSid=SM00000000000000000000000000000001&FromState=CA"
    "&SmsStatus=received&FromCity=&Body=you+got+it%21+3&FromCountry=US&To=%2B16505552222"
    "&ToZip=94030&NumSegments=1&ReferralNumMedia=0&MessageSid=SM00000000000000000000000000000001"
    f"&AccountSid={SID}&From=%2B16505551111&ApiVersion=2010-04-01"
)
WHATSAPP = (
    "SmsMessageSid=SM00000000000000000000000000000002&NumMedia=0"
    "&ProfileName=Ana+M%C3%BCller+%F0%9F%91%8B&MessageType=text"
    "&SmsSid=SM00000000000000000000000000000002&WaId=4915112345678&SmsStatus=received"
    "&Body=Ol%C3%A1%2C+pre%C3%A7o%3F+%F0%9F%91%8D&To=whatsapp%3A%2B14155238886&NumSegments=1"
    "&ReferralNumMedia=0&MessageSid=SM00000000000000000000000000000002"
    f"&AccountSid={SID}&From=whatsapp%3A%2B4915112345678&ApiVersion=2010-04-01"
)
MESSENGER = (
    "SmsMessageSid=SM00000000000000000000000000000005&NumMedia=0"
    "&SmsSid=SM00000000000000000000000000000005&SmsStatus=received"
    "&Body=is+this+still+available%3F&To=messenger%3A103800709108123&NumSegments=1"
    "&ReferralNumMedia=0&MessageSid=SM00000000000000000000000000000005"
    f"&AccountSid={SID}&From=messenger%3A27456897512&ApiVersion=2010-04-01"
)


@pytest.fixture
async def twilio(worker: Worker) -> AsyncIterator[Twilio]:
    """Twilio, and a worker that takes its webhooks."""
    timeout = aiohttp.ClientTimeout(total=60)
    # A connection each: the server drops one that it could not make sense of.
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
        yield Twilio(worker.settings.public_url, session)


async def install(bus: Bus, owner: Owner, channels: dict[str, str]) -> None:
    """Install channels, and wait until they are."""
    for channel_id, address in channels.items():
        await bus.publish(channel(address, channel_id=channel_id))

    async def ask() -> bool:
        return bool(await owner.fetchval("SELECT count(*) FROM inbox.channels") == len(channels))

    await until(ask, "channels")


async def messages(owner: Owner, count: int) -> list[asyncpg.Record]:
    """The messages in Postgres once there are so many, by their provider's id."""

    async def ask() -> list[asyncpg.Record]:
        rows = await owner.fetch(
            "SELECT *, media::text AS files FROM inbox.messages ORDER BY provider_message_id"
        )
        return rows if len(rows) >= count else []

    rows = await until(ask, f"{count} messages")
    assert len(rows) == count
    return rows


async def test_sms_whatsapp_and_messenger_become_messages(
    twilio: Twilio, bus: Bus, owner: Owner, worker: Worker
) -> None:
    await install(bus, owner, CHANNELS)
    for body in (SMS, WHATSAPP, MESSENGER):
        assert await twilio.post(body) == 204

    rows = await messages(owner, 3)
    assert [(row["channel_id"], row["sender_address"], row["sender_name"]) for row in rows] == [
        ("sms1", "+16505551111", None),
        ("wa1", "whatsapp:+4915112345678", "Ana Müller 👋"),
        ("fb1", "messenger:27456897512", None),
    ]
    assert [row["body"] for row in rows] == [
        "you got it! 3",
        "Olá, preço? 👍",
        "is this still available?",
    ]
    for row in rows:
        contact = row["sender_address"]
        derived = conversation(contact, channel=row["channel_id"])
        assert str(row["conversation_id"]) == derived
        assert (row["account_id"], row["direction"], row["historical"]) == (
            ACCOUNT,
            "inbound",
            False,
        )
    for record in await bus.read("messages.received"):
        assert record.key == record.event["subject"].encode()
    written = worker.log.read_text()
    assert "still available" not in written
    assert "+4915112345678" not in written


async def test_media_are_kept_and_an_empty_body_too(twilio: Twilio, bus: Bus, owner: Owner) -> None:
    await install(bus, owner, {"wa1": CHANNELS["wa1"]})
    photo, voice = "https://api.example.com/media/1", "https://api.example.com/media/2"
    body = form(
        Body="",
        NumMedia="2",
        MediaUrl0=photo,
        MediaContentType0="image/jpeg",
        MediaUrl1=voice,
        MediaContentType1="audio/ogg",
        MediaUrl2="https://api.example.com/media/not-counted",
    )
    assert await twilio.post(body) == 204
    [row] = await messages(owner, 1)
    assert row["body"] == ""
    assert json.loads(row["files"]) == [
        {"url": photo, "content_type": "image/jpeg"},
        {"url": voice, "content_type": "audio/ogg"},
    ]


async def test_repeats_are_one_message(twilio: Twilio, bus: Bus, owner: Owner) -> None:
    await install(bus, owner, {"wa1": CHANNELS["wa1"]})
    # Twilio's retry carries another query, and then others all at once.
    assert await twilio.post(WHATSAPP, query="?attempt=1") == 204
    assert await asyncio.gather(*(twilio.post(WHATSAPP) for _ in range(10))) == [204] * 10
    await twilio.post(form())

    assert [row["body"] for row in await messages(owner, 2)] == ["Olá, preço? 👍", SECRET]
    assert len(await bus.read("messages.received")) == 12
    assert len(await bus.read_until("conversations", 4)) == 4


class Forgery(NamedTuple):
    """A form that nobody of ours signed."""

    body: str
    headers: dict[str, str]


def forgeries(twilio: Twilio) -> dict[str, Forgery]:
    """Forms with signatures that are missing, wrong, or somebody else's."""
    good = form()
    signature = twilio.signature(good)
    stranger = form(AccountSid="AC99999999999999999999999999999999")
    elsewhere = RequestValidator(TOKEN).compute_signature(
        "https://elsewhere.example.com" + PATH, dict(parse_qsl(good))
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


async def test_what_no_account_of_ours_signed_is_403(
    twilio: Twilio, bus: Bus, owner: Owner
) -> None:
    await install(bus, owner, CHANNELS)
    for name, forgery in forgeries(twilio).items():
        assert await twilio.post_raw(forgery.body.encode(), forgery.headers) == 403, name
    assert await bus.read("messages.received") == []
    assert await bus.read("dead-letters") == []


async def test_a_signed_form_that_is_no_message_is_400(
    twilio: Twilio, bus: Bus, owner: Owner
) -> None:
    await install(bus, owner, CHANNELS)
    for name in ("MessageSid", "From", "To"):
        assert await twilio.post(form(**{name: ""})) == 400, name
        left_out = urlencode([pair for pair in parse_qsl(form()) if pair[0] != name])
        assert await twilio.post(left_out) == 400, name
    assert await twilio.post(form(MessageSid="SM/1")) == 400
    assert await twilio.post(form(From="whatsapp:+" + "4" * 300)) == 400
    assert await bus.read("messages.received") == []


async def test_get_is_405(twilio: Twilio, worker: Worker) -> None:
    assert await worker.get_status(PATH) == 405
    assert await worker.get_status(PATH + "?" + form()) == 405


async def test_three_megabytes_are_413(twilio: Twilio, bus: Bus) -> None:
    big = form(Body="x" * 3_000_000)
    assert await twilio.post(big) == 413
    assert await twilio.post_raw(b"\0" * 3_000_000, {}) == 413
    # A small body that grows when it is unpacked.
    packed = gzip.compress(b"\0" * 3_000_000)
    assert await twilio.post_raw(packed, {"Content-Encoding": "gzip"}) in {400, 403, 413}
    assert await bus.read("messages.received") == []


async def test_signed_oddities_are_never_5xx_and_never_lost(
    twilio: Twilio, bus: Bus, owner: Owner, worker: Worker
) -> None:
    await install(bus, owner, CHANNELS)
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
    ]
    for body in taken:
        assert await twilio.post(body) == 204, body
    rows = await messages(owner, len(taken))
    assert rows[0]["body"] == "a\ufffdb"
    assert rows[8]["body"] == "Here (52.5, 13.4)"

    # No channel can have such an address, and a contact's cannot be stored.
    for odd in (form(MessageSid="SMa", To="a\0b"), form(MessageSid="SMb", From="a\0b")):
        assert await twilio.post(odd) == 204
    letters = await bus.read_until("dead-letters", 2)
    assert {letter.header("dl_code") for letter in letters} == {"unknown_channel", "unstorable"}
    assert SECRET not in worker.log.read_text()


def junk(twilio: Twilio, chance: random.Random) -> list[tuple[str, bytes, dict[str, str], str]]:
    """Names, bodies, headers and queries that no Twilio sends, and nobody signed."""
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


async def test_junk_is_always_a_4xx(twilio: Twilio, bus: Bus, owner: Owner, worker: Worker) -> None:
    await install(bus, owner, CHANNELS)
    chance = random.Random(20)  # noqa: S311  # a seed, so that every run sends the same
    statuses = {
        name: await twilio.post_raw(body, headers, query=query)
        for name, body, headers, query in junk(twilio, chance)
    }
    assert {name: status for name, status in statuses.items() if not 400 <= status < 500} == {}
    assert await bus.read("messages.received") == []
    assert await bus.read("dead-letters") == []
    assert await twilio.post(form()) == 204


POST = b"POST " + PATH.encode()
HEAD = b" HTTP/1.1\r\nHost: x\r\n"
RAW = {
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "bad chunks": POST + HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n",
    "bad length": POST + HEAD + b"Content-Length: -1\r\n\r\nabc",
    "two lengths": POST + HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "no length": POST + HEAD + b"\r\n",
    "bytes in the query": POST + b"?\xff\xfe=\xe9" + HEAD + b"Content-Length: 1\r\n\r\na",
    "another host": b"POST http://[::" + PATH.encode() + HEAD + b"Content-Length: 1\r\n\r\na",
    "huge header": POST + HEAD + b"X: " + b"x" * 9_000 + b"\r\n\r\n",
    "strange method": b"BREW " + PATH.encode() + HEAD + b"\r\n",
}


async def test_what_is_hardly_http_is_a_4xx(worker: Worker) -> None:
    settings = worker.settings
    for name, request in RAW.items():
        reader, writer = await asyncio.open_connection(settings.web_host, settings.web_port)
        writer.write(request)
        async with asyncio.timeout(30):
            answer = await reader.readline()
        writer.close()
        await writer.wait_closed()
        assert 400 <= int(answer.split()[1]) < 500, name
    assert await worker.is_ready()


async def test_a_message_to_no_channel_waits_as_a_dead_letter_for_its_channel(
    twilio: Twilio, bus: Bus, owner: Owner, settings: Settings, worker: Worker
) -> None:
    assert await twilio.post(WHATSAPP) == 204
    [letter] = await bus.read_until("dead-letters", 1)
    assert letter.value == WHATSAPP.encode()
    assert letter.key is None
    assert letter.header("content-type") == FORM_TYPE
    assert letter.header("account_id") == ACCOUNT
    assert letter.header("dl_code") == "unknown_channel"
    assert letter.header("dl_partition") == "-1"
    assert letter.header("dl_topic") == settings.topic("messages.received")
    place = f"{letter.partition}:{letter.offset}"

    for arguments in ([place], ["--all"], ["--code", "unknown_channel", "--dry-run"]):
        done = await inbox(settings, "dead-letters", "redrive", *arguments)
        assert done.status == 1, done.err
        assert done.lines == [
            f"{place} impossible: still no channel of account {ACCOUNT} has the address in To",
            "0 redriven, 0 skipped, 1 impossible",
        ]

    await install(bus, owner, {"wa1": CHANNELS["wa1"]})
    done = await inbox(settings, "dead-letters", "redrive", "--all")
    assert (done.status, done.lines[-1]) == (0, "1 redriven, 0 skipped, 0 impossible")
    [row] = await messages(owner, 1)
    assert row["body"] == "Olá, preço? 👍"
    assert row["sent_at"].isoformat() == letter.header("dl_at")
    done = await inbox(settings, "dead-letters", "redrive", "--all")
    assert (done.status, done.lines[-1]) == (0, "0 redriven, 1 skipped, 0 impossible")

    # Put back once more, and sent by Twilio once more: still one message.
    done = await inbox(settings, "dead-letters", "redrive", "--all", "--again")
    assert done.lines[-1] == "1 redriven, 0 skipped, 0 impossible"
    assert await twilio.post(WHATSAPP) == 204
    assert await twilio.post(form()) == 204
    await messages(owner, 2)
    assert len(await bus.read("messages.received")) == 4
    assert "+4915112345678" not in worker.log.read_text()
