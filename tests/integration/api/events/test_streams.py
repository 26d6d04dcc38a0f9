"""How a stream begins, goes on, and ends."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.harness.event_stream import EventStream
from tests.harness.inbox import Inbox
from tests.harness.input_events import conversation, message, user
from tests.harness.tokens import AUDIENCE, ISSUER, SigningKey, write_jwks
from tests.harness.waiting import until
from tests.harness.worker import Worker
from workers.api.events.feeds import STOP_RETRY_MILLISECONDS
from workers.api.operation import PREFIX
from workers.settings import Settings

CONTACT, OTHER = "whatsapp:+4915112345678", "whatsapp:+4922"
ID, OTHER_ID = conversation(CONTACT), conversation(OTHER)


@pytest.fixture
def key() -> SigningKey:
    """The key that signs tokens."""
    return SigningKey.make("one")


@pytest.fixture
def settings(settings: Settings, key: SigningKey, tmp_path: Path) -> Settings:
    """Settings that trust this key too."""
    jwks = write_jwks(tmp_path / "jwks.json", key)
    return replace(settings, api_issuer=ISSUER, api_audience=AUDIENCE, api_jwks_file=jwks)


async def ends(worker: Worker, reason: str) -> float:
    """Returns how many streams have ended for a reason."""
    for line in (await worker.metrics()).splitlines():
        if line.startswith(f'inbox_api_stream_ends_total{{reason="{reason}"}}'):
            return float(line.split()[-1])
    return 0


async def test_a_client_that_comes_back_goes_on_where_it_was(
    inbox: Inbox, settings: Settings
) -> None:
    async with EventStream(settings) as first:
        [hello] = await first.until_some("hello")
        await first.until_some("reset")
        await inbox.apply(message(CONTACT))
        await first.until_version(ID, 2)
        await first.until_some("sections")
    await inbox.apply(message(CONTACT, "2"), message(OTHER))
    async with EventStream(settings, last_event_id=first.last_id) as second:
        await second.until_version(ID, 3)
        await second.until_version(OTHER_ID, 2)
        [*_, newest] = await second.until_some("message", 2)
        assert second.names[0] == "hello"
        assert second.events[0].id == first.last_id
        assert second.of("hello")[0]["epoch"] == hello["epoch"]
        assert second.of("reset") == []
        assert [each["body"] for each in second.of("message")] == ["2", newest["body"]]
        await second.until_some("sections")
    for unknown in (
        "0123456789abcdef-1",
        "nonsense",
        f"{hello['epoch']}-0",
        "",
        f"{hello['epoch']}-999",
    ):
        async with EventStream(settings, last_event_id=unknown) as other:
            assert other.response.status == 200, unknown
            await other.until_some("reset")
            assert other.names == ["hello", "reset"], unknown


async def test_a_new_process_tells_clients_to_fetch_again(
    inbox: Inbox, settings: Settings, worker: Worker
) -> None:
    async with EventStream(settings) as first:
        await first.until_some("reset")
        worker.kill()
        await first.until_ended()
    await inbox.topics.publish(message(CONTACT))
    await worker.start()
    async with EventStream(settings, last_event_id=first.last_id) as second:
        await second.until_some("reset")
        assert second.names[:2] == ["hello", "reset"]
        await inbox.apply(message(OTHER))
        await second.until_version(OTHER_ID, 2)


async def test_a_stream_ends_with_its_token_its_access_and_the_process(
    inbox: Inbox, settings: Settings, key: SigningKey, worker: Worker
) -> None:
    expires = int(time.time()) + 3
    bearer = {"Authorization": f"Bearer {key.token(exp=expires)}"}
    async with (
        EventStream(settings, headers=bearer) as of_token,
        EventStream(settings, "bo") as of_bo,
        EventStream(settings, "ana") as of_ana,
    ):
        for stream in (of_token, of_bo, of_ana):
            await stream.until_some("reset")
        await inbox.apply(user("bo", inbox_access=False))
        await of_bo.until_ended()
        assert of_bo.ended
        assert of_bo.names == ["hello", "reset"]
        await of_token.until_ended()
        assert of_token.ended
        assert time.time() >= expires
        assert await ends(worker, "expired") == await ends(worker, "no_access") == 1
        async with EventStream(settings, "bo") as refused:
            assert refused.response.status == 403
        assert await worker.stop() == 0
        await of_ana.until_ended()
        assert of_ana.ended
        least, most = STOP_RETRY_MILLISECONDS
        assert least <= (of_ana.retry or 0) <= most


@pytest.fixture
async def idle(
    inbox: Inbox, settings: Settings
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A stream of ana whose client does not read."""
    reader, writer = await asyncio.open_connection(settings.web_host, settings.web_port, limit=1)
    head = f"GET {PREFIX}/events HTTP/1.1\r\nHost: x\r\nX-Inbox-Account: acme\r\n"
    writer.write(f"{head}X-Inbox-User: ana\r\n\r\n".encode())
    yield reader, writer
    writer.close()


async def test_a_client_that_does_not_read_is_closed_and_delays_nobody(
    inbox: Inbox,
    settings: Settings,
    worker: Worker,
    idle: tuple[asyncio.StreamReader, asyncio.StreamWriter],
) -> None:
    async with EventStream(settings, "bo") as of_bo:
        await of_bo.until_some("reset")
        sent = 0

        async def is_closed() -> bool:
            nonlocal sent
            # So few that they may wait together for a client that reads.
            await inbox.topics.publish(*[message(CONTACT, "x" * 50_000) for _ in range(4)])
            sent += 4
            await of_bo.until_some("message", sent)
            return bool(await ends(worker, "slow"))

        await until(is_closed, "the end of a client that does not read")
        assert not of_bo.ended
