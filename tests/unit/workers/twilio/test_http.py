"""Connections that are not made, and requests that hang: they end within a time limit."""

import socket

import pytest

from bench.mock_twilio import MockTwilio, faults
from domain.sending import NotTaken, Taken, Unknown
from tests.harness.twilio_account import SEND, settings
from workers.dev.embedded.ports import HOST
from workers.twilio import http as twilio_http
from workers.twilio.client import Twilio


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_request_that_hangs_ends_and_nobody_knows_how(
    mock: MockTwilio, monkeypatch: pytest.MonkeyPatch, when: faults.When
) -> None:
    monkeypatch.setattr(twilio_http, "TWILIO_REQUEST_SECONDS", 0.2)
    mock.faults.add(faults.hanging(when))
    twilio = Twilio(settings(mock.url))
    assert await twilio.post(SEND) == Unknown()
    await twilio.close()
    assert len(mock.ledger.sends) == (when == "after")


async def test_a_connection_that_is_refused_took_nothing(mock: MockTwilio, twilio: Twilio) -> None:
    async with mock.refusing():
        assert isinstance(await twilio.post(SEND), NotTaken)
    assert isinstance(await twilio.post(SEND), Taken)
    assert len(mock.ledger.requests) == 1


async def test_a_name_that_nobody_knows_took_nothing() -> None:
    twilio = Twilio(settings("http://no-such-host.invalid:1"))
    assert isinstance(await twilio.post(SEND), NotTaken)
    await twilio.close()


async def test_a_connection_that_is_never_made_took_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(twilio_http, "TWILIO_CONNECT_SECONDS", 0.2)
    with socket.socket() as deaf, socket.socket() as first:
        # Its backlog is full, and nobody accepts connections.
        deaf.bind((HOST, 0))
        deaf.listen(0)
        first.setblocking(False)
        first.connect_ex(deaf.getsockname())
        twilio = Twilio(settings(f"http://{HOST}:{deaf.getsockname()[1]}"))
        assert isinstance(await twilio.post(SEND), NotTaken)
        await twilio.close()
