"""How much waits for a client that does not read. The integration tests have all else."""

import pytest

from tests.unit.workers.api.events.given import ACCOUNT, ANA, Connection, caller
from workers.api.events.frames import WAITING_BYTES_MAX, payload
from workers.api.events.stream import Stream


@pytest.mark.parametrize("is_chunked", [True, False])
async def test_what_waits_and_what_is_sent_count_together(is_chunked: bool) -> None:
    connection = Connection(reads=False)
    stream = Stream(caller(ACCOUNT, ANA), connection, is_chunked=is_chunked)
    stream.send(payload([b"x" * (WAITING_BYTES_MAX // 2)]))
    stream.send(payload([b"x" * (WAITING_BYTES_MAX // 4)]))
    assert stream.is_open
    stream.send(payload([b"x" * (WAITING_BYTES_MAX // 2)]))
    assert await stream.ended == "slow"
    assert connection.is_aborted
    assert connection.waiting <= WAITING_BYTES_MAX


async def test_as_much_as_may_wait_can_be_sent_at_once() -> None:
    connection = Connection(reads=False)
    stream = Stream(caller(ACCOUNT, ANA), connection, is_chunked=False)
    stream.send(payload([b"x" * WAITING_BYTES_MAX]))
    assert stream.is_open
    assert connection.waiting == WAITING_BYTES_MAX
    stream.send(payload([b"x"]))
    assert not stream.is_open
