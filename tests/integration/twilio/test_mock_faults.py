"""Faults of the mock of Twilio: what a client gets, what is sent, and which requests they hit."""

import asyncio
import json
from typing import NamedTuple

import aiohttp
import pytest

from bench.mock_twilio import Fault, MockTwilio, faults
from tests.harness.twilio_clients import CONTACT, MESSAGES, TEMPLATE, PlainClient, until_hanging

DISCONNECTED = aiohttp.ServerDisconnectedError


class Case(NamedTuple):
    """A fault, what the client gets, and how many messages are sent."""

    fault: Fault
    status: int | None
    error: type[Exception] | None
    sends: int


CASES = [
    Case(faults.answer_lost(), None, DISCONNECTED, 1),
    Case(faults.connection_closed(), None, DISCONNECTED, 0),
    Case(faults.connection_reset("after"), None, aiohttp.ClientOSError, 1),
    Case(faults.connection_reset("before"), None, aiohttp.ClientOSError, 0),
    Case(faults.answer_cut(), None, aiohttp.ClientPayloadError, 1),
    Case(faults.server_error("before"), 503, None, 0),
    Case(faults.server_error("after", 500), 500, None, 1),
    Case(faults.html_502("before"), 502, None, 0),
    Case(faults.html_502("after"), 502, None, 1),
    Case(faults.problem("before", 422, 21211), 422, None, 0),
    Case(faults.problem("after", 500, 20500), 500, None, 1),
    Case(faults.throttled(), 429, None, 0),
    Case(faults.throttled(7), 429, None, 0),
    Case(faults.refused(21610), 400, None, 0),
    Case(faults.window_closed(CONTACT), 400, None, 0),
    Case(faults.slow(0.01), 201, None, 1),
    Case(faults.slow(0.01, "after"), 201, None, 1),
]


def fault_name(fault: Fault) -> str:
    return f"{fault.act} {fault.when}"


@pytest.mark.parametrize("case", CASES, ids=lambda case: fault_name(case.fault))
async def test_each_fault_looks_as_it_should_and_leaves_what_it_should(
    mock: MockTwilio, plain: PlainClient, case: Case
) -> None:
    [armed] = mock.faults.add(case.fault)
    answer = await plain.send(mock)
    assert (answer.status, answer.error) == (case.status, case.error)
    assert len(mock.ledger.sends) == case.sends
    assert len(await plain.listed(mock)) == case.sends
    assert armed.hits == 1
    first = mock.ledger.requests[0]
    begun = 201 if case.fault.act == "cut" else None
    assert (first.status, first.fault) == (case.status or begun, fault_name(case.fault))

    mock.faults.clear()
    assert (await plain.send(mock)).status == 201


@pytest.mark.parametrize(("when", "sends"), [("before", 0), ("after", 1)])
async def test_a_hanging_request_is_answered_by_nothing_but_the_mocks_end(
    plain: PlainClient, when: faults.When, sends: int
) -> None:
    async with MockTwilio() as mock:
        mock.faults.add(faults.hanging(when))
        impatient = asyncio.create_task(plain.send(mock))
        await until_hanging(mock, 1)
        impatient.cancel()
        patient = asyncio.create_task(plain.send(mock))
        await until_hanging(mock, 2)
        assert not patient.done()
    assert (await patient).error is DISCONNECTED
    assert impatient.cancelled()
    assert len(mock.ledger.sends) == 2 * sends
    assert [request.fault for request in mock.ledger.requests] == [f"hang {when}"] * 2


async def test_connections_are_refused_for_a_while(mock: MockTwilio, plain: PlainClient) -> None:
    async with mock.refusing():
        assert (await plain.send(mock)).error is aiohttp.ClientConnectorError
    assert (await plain.send(mock)).status == 201

    # A connection that was kept open is closed too: the next request on it is lost, unless the
    # client has noticed.
    async with aiohttp.ClientSession() as session:
        keeper = PlainClient(session)
        assert (await keeper.send(mock)).status == 201
        async with mock.refusing():
            first, second = [(await keeper.send(mock)).error for _ in range(2)]
        assert first in {DISCONNECTED, aiohttp.ClientConnectorError}
        assert second is aiohttp.ClientConnectorError
    assert len(mock.ledger.sends) == 2


async def test_faults_are_for_some_only_and_for_some_times(
    mock: MockTwilio, plain: PlainClient
) -> None:
    other = "whatsapp:+4915100000000"
    [armed] = mock.faults.add(faults.server_error("before", where={"To": other}, skip=1, times=2))
    statuses = [(await plain.send(mock, To=other)).status for _ in range(4)]
    assert statuses == [201, 503, 503, 201]
    assert (await plain.send(mock)).status == 201
    assert (armed.seen, armed.hits) == (4, 2)

    mock.faults.clear()
    # Two times, since aiohttp itself repeats a GET once.
    mock.faults.add(faults.window_closed(CONTACT), Fault(act="drop", on="list", times=2))
    assert json.loads((await plain.send(mock)).body)["code"] == 63016
    assert (await plain.send(mock, Body="", ContentSid=TEMPLATE)).status == 201
    assert (await plain.request("GET", mock.url + MESSAGES)).error is DISCONNECTED
    assert len(await plain.listed(mock)) == 4


async def test_a_seed_gives_the_same_faults_again(mock: MockTwilio, plain: PlainClient) -> None:
    async def statuses(seed: int) -> list[int | None]:
        mock.faults.clear()
        mock.faults.add(faults.server_error("before", probability=0.5, seed=seed))
        return [(await plain.send(mock)).status for _ in range(20)]

    first = await statuses(1)
    assert set(first) == {201, 503}
    assert await statuses(1) == first
    assert await statuses(2) != first
