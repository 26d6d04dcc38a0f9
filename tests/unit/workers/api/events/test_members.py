"""How events are handed to streams. The integration tests have who gets which."""

from tests.unit.workers.api.events.given import ACCOUNT, ANA, BO, Connection, caller
from workers.api.events.frames import PAYLOAD_BYTES_MAX, WAITING_BYTES_MAX
from workers.api.events.members import Members
from workers.api.events.published import ForAll
from workers.api.events.stream import Stream


async def test_many_events_end_the_streams_of_those_who_do_not_read_alone() -> None:
    reads, waits = Connection(reads=True), Connection(reads=False)
    of_ana = Stream(caller(ACCOUNT, ANA), reads, is_chunked=False)
    of_bo = Stream(caller(ACCOUNT, BO), waits, is_chunked=False)
    members = Members()
    members.add(of_ana)
    members.add(of_bo)
    frames = [b"%d" % (number % 10) * (PAYLOAD_BYTES_MAX // 3) for number in range(60)]
    assert sum(map(len, frames)) > WAITING_BYTES_MAX
    await members.send([ForAll(number, "c", each) for number, each in enumerate(frames)], {})
    assert of_ana.is_open
    assert b"".join(reads.written) == b"".join(frames)
    assert max(map(len, reads.written)) <= PAYLOAD_BYTES_MAX
    assert await of_bo.ended == "slow"
    assert waits.waiting <= WAITING_BYTES_MAX
