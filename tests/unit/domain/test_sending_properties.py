"""Whatever workers, the provider and its receipts do, and in whatever order: each part goes out
once at the most, in its turn, and is settled as what it became."""

from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import TypeAlias

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from domain.delivery import later
from domain.sending import Send, found
from schemas.messages import MessageAccepted, MessageFailed, MessageStatusChanged, MessageUncertain
from tests.unit.domain.given.events import NOON, SECOND
from tests.unit.domain.given.provider import InFlight, Look, Message, World
from tests.unit.domain.given.sends import accepted, listed, part, uncertain

# These examples are many, and coverage would take most of their time; chosen ones reach all lines.
pytestmark = pytest.mark.no_cover

Step: TypeAlias = Callable[[World], None]

# Two parts of a reply, and then of the next one; most of them with one text.
PARTS = st.lists(st.sampled_from(["Hi", "Hi", "Hi ", "Ho"]), min_size=2, max_size=4).map(
    lambda bodies: [
        part(
            version=3 + number // 2,
            part=1 + number % 2,
            parts=2,
            message_id=f"reply {number // 2}",
            command_id=f"c{number // 2}",
            body=body,
        )
        for number, body in enumerate(bodies)
    ]
)

NUMBERS = st.integers(0, 3)


def on_a_post(act: Callable[[World, InFlight], None]) -> st.SearchStrategy[Step]:
    """A step that happens to one of the POSTs in flight, if there is any."""

    def step(which: int) -> Step:
        def happen(world: World) -> None:
            if world.flying:
                act(world, world.flying[which % len(world.flying)])

        return happen

    return st.builds(step, NUMBERS)


def on_a_look(act: Callable[[World, Look], None]) -> st.SearchStrategy[Step]:
    """A step that happens to one of the lists that were read, if there is any."""

    def step(which: int) -> Step:
        def happen(world: World) -> None:
            if world.looks:
                act(world, world.looks[which % len(world.looks)])

        return happen

    return st.builds(step, NUMBERS)


def on_a_message(act: Callable[[World, Message], None]) -> st.SearchStrategy[Step]:
    """A step that happens to one of the messages that were taken, if there is any."""

    def step(which: int) -> Step:
        def happen(world: World) -> None:
            if world.messages:
                act(world, world.messages[which % len(world.messages)])

        return happen

    return st.builds(step, NUMBERS)


def called_back(word: str, *, names: bool = True) -> st.SearchStrategy[Step]:
    return on_a_message(lambda world, message: world.receipt(message, word, names=names))


def passes(seconds: float) -> st.SearchStrategy[Step]:
    def happen(world: World) -> None:
        world.pass_time(seconds)

    return st.just(happen)


CLAIM = st.just(World.claim)
TAKEN = on_a_post(lambda world, post: world.read(post, takes=True))
PASSED_BY = on_a_post(lambda world, post: world.read(post, takes=False))
TOLD = on_a_post(lambda world, post: world.answer(post, is_lost=False, error_code=None))
REFUSED = on_a_post(lambda world, post: world.answer(post, is_lost=False, error_code=21610))
LOST = on_a_post(lambda world, post: world.answer(post, is_lost=True, error_code=None))
CRASH = on_a_post(World.crash)
CONCLUDED = on_a_look(World.conclude)
HIDDEN = on_a_message(lambda world, message: world.hidden.add(message.listed.provider_message_id))
SHOWN = st.just(lambda world: world.hidden.clear())


def _in_turn(steps: tuple[Step, ...]) -> Step:
    def happen(world: World) -> None:
        for step in steps:
            step(world)

    return happen


# A whole POST, as most are; the steps it is made of come alone too, and in any order.
POST = st.tuples(
    CLAIM, st.one_of(TAKEN, TAKEN, PASSED_BY), st.one_of(TOLD, REFUSED, LOST, LOST, CRASH)
).map(_in_turn)

LOOK = st.tuples(CLAIM, CONCLUDED).map(_in_turn)

STEPS = st.lists(
    st.one_of(
        *[POST] * 5,
        *[LOOK] * 4,
        *[CLAIM] * 2,
        CONCLUDED,
        *[TAKEN] * 2,
        PASSED_BY,
        TOLD,
        REFUSED,
        LOST,
        CRASH,
        called_back("sent"),
        called_back("delivered"),
        called_back("failed"),
        called_back("read", names=False),
        HIDDEN,
        SHOWN,
        *[passes(seconds) for seconds in (0.4, 5, 16, 31, 31, 200, 700)],
    ),
    min_size=30,
    max_size=100,
)


@settings(max_examples=600)
@given(PARTS, STEPS)
def test_a_part_goes_out_once_at_the_most_and_is_settled_as_what_it_became(
    parts: list[Send], steps: list[Step]
) -> None:
    world = World(parts)
    for step in steps:
        step(world)
    # That no POST begins after one that may have been taken, nor out of turn, the world asserts.
    assert max(Counter(message.key for message in world.messages).values(), default=0) <= 1
    became = {message.key: message.listed.provider_message_id for message in world.messages}
    for key, send in world.sends.items():
        if send.state == "accepted":
            assert send.provider_message_id == became[key]
        if send.state == "failed":
            assert key not in became
        event(f"{send.state}, attempts {min(send.attempts, 2)}, told {send.told_uncertain}")


@settings(max_examples=600)
@given(PARTS, STEPS)
def test_what_is_told_of_a_part_is_told_once_and_leads_forward(
    parts: list[Send], steps: list[Step]
) -> None:
    world = World(parts)
    for step in steps:
        step(world)
    assert max(world.event_ids.values(), default=0) <= 1
    for key, told in world.told.items():
        kinds = Counter(type(data) for data in told)
        for struct in (MessageAccepted, MessageFailed, MessageUncertain):
            assert kinds[struct] <= 1
        statuses = [
            data.status for data in told if isinstance(data, MessageAccepted | MessageStatusChanged)
        ]
        assert all(later(one, other) for one, other in pairwise(statuses))
        send = world.sends[key]
        assert kinds[MessageAccepted] == (send.state == "accepted")
        assert kinds[MessageFailed] == (send.state == "failed")
        assert kinds[MessageUncertain] == send.told_uncertain
        if statuses:
            assert send.status == statuses[-1]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["Hi", "Hi", "Hi ", "Ho"]),
            st.sampled_from(["known", "lost", "lost", "hidden", "not taken", "not taken"]),
            st.sampled_from([0, 1, 5, 30, 140, 160, 200]),
            st.sampled_from([0, 1, 5, 20]),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_what_is_found_in_the_list_is_the_part_that_it_became(
    posts: list[tuple[str, str, int, int]],
) -> None:
    now, parts, messages = NOON, [], {}
    for version, (body, fate, pause, delay) in enumerate(posts, start=3):
        now += pause * SECOND
        made = uncertain if fate != "known" else accepted
        parts.append(made(version=version, body=body, posting_at=now))
        if fate == "lost":
            sid = f"SM{100 - version}"
            messages[version] = listed(sid, body=body, created_at=now + delay * SECOND)
    for send in parts:
        if send.state == "uncertain":
            message = found(send, parts, messages.values())
            assert message in {None, messages.get(send.version)}
