"""The events of the last minute, bounded in time and bytes."""

from tests.unit.workers.api.events.given import listed
from workers.api.events.published import CONVERSATION_BYTES, ForAll, OfConversation
from workers.api.events.recent import Recent

PLENTY = 1_000_000


def event(number: int, id_: str = "c") -> ForAll:
    """Returns an event that is the same for all."""
    return ForAll(number, id_, b"x" * 100)


def test_what_is_too_old_is_forgotten_and_nobody_can_go_on_from_before_it() -> None:
    recent = Recent(1, seconds=-1)
    recent.keep(event(2))
    recent.keep(event(3))
    assert len(recent.after(1) or ()) == 2
    recent.prune(PLENTY)
    assert recent.after(2) is None
    assert recent.after(3) == []


def test_the_oldest_are_forgotten_while_there_is_too_much() -> None:
    recent = Recent(1, seconds=60)
    events = [event(number) for number in range(2, 12)]
    for each in events:
        recent.keep(each)
    recent.prune(500)
    assert recent.after(5) is None
    assert recent.after(6) == events[-5:]


def test_of_a_conversation_only_the_newest_is_sent_again() -> None:
    recent = Recent(1, seconds=60)
    old, new = (OfConversation(n, f"e-{n}", listed("c", n)) for n in (2, 4))
    between = event(3)
    for each in (old, between, new):
        recent.keep(each)
    assert recent.after(1) == [between, new]
    recent.prune(CONVERSATION_BYTES + 100)
    assert recent.after(2) == [between, new]


def test_a_deleted_conversation_is_not_sent_again() -> None:
    recent = Recent(1, seconds=60)
    recent.keep(event(2, "c"))
    recent.keep(event(3, "d"))
    recent.remove("c")
    assert [each.number for each in recent.after(1) or ()] == [3]
    recent.prune(0)
    assert recent.after(2) is None
