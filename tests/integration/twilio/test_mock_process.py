"""The mock of Twilio as a process of its own, which is controlled over HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from bench.mock_twilio import CallbackRule, Ledger, MissedMessage, RemoteTwilio, faults
from tests.harness.twilio_clients import (
    CONTACT,
    MESSAGES,
    SENDER,
    CallbackReceiver,
    PlainClient,
    until_hanging,
)
from tests.harness.waiting import until


@pytest.fixture
async def remote(tmp_path: Path) -> AsyncIterator[RemoteTwilio]:
    """A mock as a process of its own."""
    async with RemoteTwilio(tmp_path / "ledger.jsonl") as remote:
        yield remote


async def test_a_process_of_its_own_does_as_it_is_told_over_http(
    remote: RemoteTwilio, plain: PlainClient, receiver: CallbackReceiver
) -> None:
    await remote.add(faults.answer_lost(times=1), CallbackRule(order="reversed"))
    assert (
        await plain.send(remote, StatusCallback=receiver.url)
    ).error is aiohttp.ServerDisconnectedError
    assert [(each["seen"], each["hits"]) for each in await remote.counts()] == [(1, 1)]

    async def all_came() -> bool:
        return len(receiver.forms) == 4 and not (await remote.ledger()).pending

    await until(all_came, "four callbacks")
    assert receiver.statuses == ["read", "delivered", "sent", "queued"]
    await remote.clear()
    assert await remote.counts() == []
    missed = await remote.add_missed(MissedMessage(from_=CONTACT, to=SENDER, body="hi"))

    ledger = await remote.ledger()
    assert ledger.sends[0].status_callback == receiver.url
    assert ledger.callback_statuses(ledger.sends[0].sid) == receiver.statuses
    page = json.loads((await plain.request("GET", remote.url + MESSAGES)).body)
    assert {message["sid"] for message in page["messages"]} == {missed, ledger.sends[0].sid}
    answer = await plain.request("POST", remote.url + "/_faults", data='{"act": "explode"}')
    assert (answer.status, "explode" in answer.body) == (400, True)


async def test_a_process_can_be_asked_while_it_refuses_connections(
    remote: RemoteTwilio, plain: PlainClient
) -> None:
    assert (await plain.send(remote)).status == 201
    await remote.refuse()
    assert (await plain.send(remote)).error is aiohttp.ClientConnectorError
    assert len((await remote.ledger()).sends) == 1
    await remote.listen()
    assert (await plain.send(remote)).status == 201

    await remote.refuse(0.01)

    async def answers() -> bool:
        return (await plain.send(remote)).status == 201

    await until(answers, "a listener that opens by itself")


async def test_the_ledgers_file_can_be_read_when_its_process_was_killed(
    remote: RemoteTwilio, plain: PlainClient, receiver: CallbackReceiver
) -> None:
    await remote.add(faults.hanging("after", skip=1))
    await plain.send(remote, StatusCallback=receiver.url)

    async def all_came() -> bool:
        return not (await remote.ledger()).pending

    await until(all_came, "all callbacks")
    lost = asyncio.create_task(plain.send(remote))
    await until_hanging(remote, 1)
    before = await remote.ledger()
    await remote.kill()
    assert (await lost).status is None
    with remote.ledger_file.open("ab") as file:
        file.write(b'{"event": "se')
    assert Ledger.read(remote.ledger_file) == before
    assert [request.fault for request in before.requests] == [None, "hang after"]
    assert len(before.sends) == 2
