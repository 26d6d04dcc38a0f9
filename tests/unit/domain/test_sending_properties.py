"""Whatever workers and the provider do, in any order: each part goes out at most once and in its
turn, none follows a part that failed, and it is settled as the message that it became."""

from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import TypeAlias

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from domain.delivery import is_later
from domain.listed_messages import find_listed
from domain.sending import Send
from schemas.messages import MessageAccepted, MessageFailed, MessageStatusChanged, MessageUncertain
from tests.unit.domain.given.reply_parts import accepted, listed, part, uncertain
from tests.unit.domain.given.samples import NOON, SECOND
from tests.unit.domain.given.sending_world import Check, InFlight, Message, World

# Many examples: coverage would take most of their time. The example tests reach all lines.
pytestmark = [pytest.mark.no_cover, pytest.mark.seconds(35)]

Step: TypeAlias = Callable[[World], None]


def parts_of_replies(parts: int, most: int) -> st.SearchStrategy[list[Send]]:
    """Draw the parts of replies, so many each; most parts have the same text."""
    texts = st.lists(st.sampled_from(["Hi", "Hi", "Hi ", "Ho"]), min_size=parts, max_size=most)
    return texts.map(
        lambda bodies: [
            part(
                version=3 + number // parts,
                part=1 + number % parts,
                parts=parts,
                message_id=f"reply {number // parts}",
                command_id=f"c{number // parts}",
                body=body,
            )
            for number, body in enumerate(bodies)
        ]
    )


PARTS = parts_of_replies(2, 4)

NUMBERS = st.integers(0, 3)


def on_a_post(act: Callable[[World, InFlight], None]) -> st.SearchStrategy[Step]:
    """Draw a step that happens to one of the POSTs in flight, if there is any."""

    def step(which: int) -> Step:
        def happen(world: World) -> None:
            if world.flying:
                act(world, world.flying[which % len(world.flying)])

        return happen

    return st.builds(step, NUMBERS)


def on_a_check(act: Callable[[World, Check], None]) -> st.SearchStrategy[Step]:
    """Draw a step that happens to one of the checks that were begun, if there is any."""

    def step(which: int) -> Step:
        def happen(world: World) -> None:
            if world.checks:
                act(world, world.checks[which % len(world.checks)])

        return happen

    return st.builds(step, NUMBERS)


def on_a_message(act: Callable[[World, Message], None]) -> st.SearchStrategy[Step]:
    """Draw a step that happens to one of the messages that were taken, if there is any."""

    def step(which: int) -> Step:
        def happen(world: World) -> None:
            if world.messages:
                act(world, world.messages[which % len(world.messages)])

        return happen

    return st.builds(step, NUMBERS)


def called_back(word: str, *, with_message_id: bool = True) -> st.SearchStrategy[Step]:
    return on_a_message(
        lambda world, message: world.call_back(message, word, with_message_id=with_message_id)
    )


def passes(seconds: float) -> st.SearchStrategy[Step]:
    def happen(world: World) -> None:
        world.pass_time(seconds)

    return st.just(happen)


CLAIM = st.just(World.claim)
TAKEN = on_a_post(lambda world, post: world.receive(post, takes=True))
NOT_TAKEN = on_a_post(lambda world, post: world.receive(post, takes=False))
ANSWERED = on_a_post(lambda world, post: world.answer(post, is_lost=False, error_code=None))
REFUSED = on_a_post(lambda world, post: world.answer(post, is_lost=False, error_code=21610))
LOST = on_a_post(lambda world, post: world.answer(post, is_lost=True, error_code=None))
CRASH = on_a_post(World.crash)
CONCLUDED = on_a_check(World.conclude)
HIDDEN = on_a_message(lambda world, message: world.hidden.add(message.listed.provider_message_id))
SHOWN = st.just(lambda world: world.hidden.clear())


def _in_turn(steps: tuple[Step, ...]) -> Step:
    def happen(world: World) -> None:
        for step in steps:
            step(world)

    return happen


# A whole POST, as in most cases. Its steps are drawn alone too, in any order.
POST = st.tuples(
    CLAIM, st.one_of(TAKEN, TAKEN, NOT_TAKEN), st.one_of(ANSWERED, REFUSED, LOST, LOST, CRASH)
).map(_in_turn)

CHECK = st.tuples(CLAIM, CONCLUDED).map(_in_turn)

STEPS = st.lists(
    st.one_of(
        *[POST] * 5,
        *[CHECK] * 4,
        *[CLAIM] * 2,
        CONCLUDED,
        *[TAKEN] * 2,
        NOT_TAKEN,
        ANSWERED,
        REFUSED,
        LOST,
        CRASH,
        called_back("sent"),
        called_back("delivered"),
        called_back("failed"),
        called_back("read", with_message_id=False),
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
    # The world itself asserts that no POST begins out of turn, or after one that may be taken.
    assert max(Counter(message.key for message in world.messages).values(), default=0) <= 1
    became = {message.key: message.listed.provider_message_id for message in world.messages}
    for key, send in world.sends.items():
        if send.state == "accepted":
            assert send.provider_message_id == became[key]
        if send.state == "failed":
            assert key not in became
        event(f"{send.state}, attempts {min(send.attempts, 2)}, told {send.told_uncertain}")


@settings(max_examples=600)
@given(parts_of_replies(3, 6), STEPS)
def test_what_follows_a_part_that_failed_is_not_posted_and_fails_with_its_code(
    parts: list[Send], steps: list[Step]
) -> None:
    world = World(parts)
    for step in steps:
        step(world)
    # The world itself asserts that no POST begins after an earlier part of its reply failed.
    for key, failure in world.stopped.items():
        stopped = world.sends[key]
        assert (stopped.state, stopped.status) == ("failed", "failed")
        assert stopped.error_code == failure.error_code
        assert key not in {message.key for message in world.messages}
        event("a part was stopped")


@settings(max_examples=600)
@given(PARTS, STEPS)
def test_what_is_told_of_a_part_is_told_once_and_leads_forward(
    parts: list[Send], steps: list[Step]
) -> None:
    world = World(parts)
    for step in steps:
        step(world)
    assert max(world.event_ids.values(), default=0) <= 1
    for key, emitted in world.emitted.items():
        kinds = Counter(type(data) for data in emitted)
        for struct in (MessageAccepted, MessageFailed, MessageUncertain):
            assert kinds[struct] <= 1
        statuses = [
            data.status
            for data in emitted
            if isinstance(data, MessageAccepted | MessageStatusChanged)
        ]
        assert all(is_later(other, one) for one, other in pairwise(statuses))
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
            message = find_listed(send, parts, messages.values())
            assert message in {None, messages.get(send.version)}
