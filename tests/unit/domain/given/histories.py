"""Random histories of an inbox: short steps for all rules, long ones for the rolling notes."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

from hypothesis import strategies as st
from msgspec import UNSET, convert
from msgspec.structs import replace

from schemas.cloudevents import Incoming
from schemas.directory import (
    ChannelInstalled,
    ChannelRemoved,
    UserAvailabilityChanged,
    UserNotificationSettingsChanged,
    UserRemoved,
    UserUpserted,
)
from schemas.fields import AccountId, EventData, UserId
from schemas.ids import conversation_id
from schemas.messages import Media, MessageReceived
from tests.unit.domain.given.memory_inbox import Event, GoneLookedFor, NoteTouched
from tests.unit.domain.given.samples import (
    ACCOUNT,
    ADDRESS,
    CHANNEL,
    HOUR,
    NOON,
    SECOND,
    assign,
    close,
    delete,
    link,
    message,
    reopen,
    reply,
    request,
    unlink,
)

History = list[tuple[timedelta, Event]]
"""Events, each with the time since the event before it was applied."""

# Few values of each kind, so that they collide: one user id in two accounts, two contacts who write
# to both accounts, commands across accounts.
GLOBEX = AccountId("globex")
ACCOUNTS = st.sampled_from([ACCOUNT, ACCOUNT, ACCOUNT, GLOBEX])
USERS = st.sampled_from([UserId(name) for name in ("ana", "bo", "cy")])
CONTACTS = st.sampled_from([ADDRESS, "whatsapp:+4912"])
ENTITIES = st.sampled_from(["deal:1", "deal:1", "person:1", "person:2"])
REQUESTS = st.sampled_from([None, "r1", "r2"])
SELDOM = st.sampled_from([False] * 7 + [True])
MEDIUM = st.fixed_dictionaries({"desktop": st.booleans(), "email": st.booleans()})
KINDS = ("assigned_to_me", "assigned_to_others", "unassigned", "assignment")

# Lengths that fill a note, for a limit of 60 characters and for one of 60,000.
BODIES = st.sampled_from([5] * 24 + [0, 20, 30, 60, 61, 30_000, 60_000, 60_001]).map("x".__mul__)
FILES = st.sampled_from(
    [(), (), (), ("https://a.b/1.png",), ("https://a.b/1.pdf", "https://c/2.png")]
)

# A template may be sent at any time, and never has too many parts.
TEMPLATES = st.sampled_from([UNSET, "HX1", "HX1"])


def _files(urls: tuple[str, ...]) -> tuple[Media, ...]:
    return tuple(Media(url, "image/jpeg") for url in urls)


@st.composite
def _messages(draw: st.DrawFn) -> Event:
    return message(account_id=draw(ACCOUNTS), address=draw(CONTACTS), historical=draw(SELDOM))


@st.composite
def _commands(draw: st.DrawFn) -> Event:
    account_id = draw(ACCOUNTS)
    stray = GLOBEX if draw(SELDOM) else account_id
    fields = {
        "account_id": account_id,
        "conversation_id": conversation_id(stray, CHANNEL, draw(CONTACTS)),
        "actor_id": draw(USERS),
        "expected_version": draw(st.integers(1, 8)) if draw(SELDOM) else None,
    }
    make: Callable[[dict[str, Any]], Event] = draw(draw(st.sampled_from(_COMMANDS)))
    return make(fields)


def _command(make: Any, **strategies: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw a function that makes a command from the fields that all commands have."""
    chosen = st.fixed_dictionaries(strategies)
    return chosen.map(lambda own: lambda fields: make(**own | fields))


_COMMANDS = [
    _command(assign, assignee_id=st.none() | USERS),
    _command(close),
    _command(close),
    _command(reopen),
    _command(delete),
    _command(delete),
    _command(link, name=ENTITIES, request_id=REQUESTS),
    _command(link, name=ENTITIES),
    _command(unlink, name=ENTITIES),
    _command(request, request_id=REQUESTS),
    _command(reply, body=BODIES.filter(bool), media_urls=FILES, content_sid=TEMPLATES),
]


@st.composite
def _touches(draw: st.DrawFn) -> Event:
    data = NoteTouched(
        account_id=draw(ACCOUNTS),
        conversation_id=UUID(conversation_id(ACCOUNT, CHANNEL, draw(CONTACTS))),
        deleted=draw(st.booleans()),
        back=draw(st.sampled_from([0, 0, 0, 0, 1, 2, 3])),
    )
    return Incoming("n", data.TYPE, NOON, data)


def _directory_event(struct: type[EventData], **fields: Any) -> st.SearchStrategy[Event]:
    data = st.fixed_dictionaries({"account_id": ACCOUNTS} | fields)
    return data.map(lambda values: Incoming("d", struct.TYPE, NOON, convert(values, struct)))


_UPSERTED = _directory_event(
    UserUpserted,
    user_id=USERS,
    name=st.just("Someone"),
    email=st.just("someone@example.com"),
    inbox_access=SELDOM.map(lambda refused: not refused),
)
USER_CHANGES: st.SearchStrategy[Event] = st.one_of(
    _UPSERTED,
    _UPSERTED,
    _directory_event(UserRemoved, user_id=USERS),
    _directory_event(UserAvailabilityChanged, user_id=USERS, available=st.booleans()),
    _directory_event(
        UserNotificationSettingsChanged,
        user_id=USERS,
        settings=st.fixed_dictionaries({}, optional=dict.fromkeys(KINDS, MEDIUM)),
    ),
)


def _channel(account_id: AccountId, installed_by: str = "ana") -> Event:
    data = ChannelInstalled(
        account_id=account_id,
        channel_id=CHANNEL,
        provider="whatsapp",
        address="whatsapp:+1",
        name="Sales",
        installed_by=UserId(installed_by),
    )
    return Incoming("d", data.TYPE, NOON, data)


CHANNEL_CHANGES: st.SearchStrategy[Event] = st.one_of(
    st.builds(_channel, ACCOUNTS, USERS),
    _directory_event(ChannelRemoved, channel_id=st.just(CHANNEL)),
)
MESSAGES, COMMANDS = _messages(), _commands()


class Step(NamedTuple):
    """An event of a history, before its place in the history is known."""

    event: Event
    gap: timedelta
    """The time since the event before it was applied."""
    age: timedelta
    """How long before it was issued or sent; negative for a clock that is ahead."""
    again: int
    """It has the ids of the event so many steps before: a repeat, or a careless publisher."""


def _steps(
    kinds: list[st.SearchStrategy[Event]], gaps: list[timedelta], ages: list[timedelta]
) -> st.SearchStrategy[Step]:
    return st.builds(
        Step,
        # `one_of` would take an alternative that is listed twice as one.
        st.sampled_from(kinds).flatmap(lambda kind: kind),
        st.sampled_from(gaps),
        st.sampled_from(ages),
        st.sampled_from([0, 0, 0, 0, 0, 1, 2, 3]),
    )


def _placed(steps: list[Step], imported: int = 0) -> History:
    history, now = [(timedelta(), event) for event in (*_BEGINNING, *_import(imported))], NOON
    for number, step in enumerate(steps):
        now += step.gap
        time = now - step.age
        changes: dict[str, Any] = {"id": f"e{number - step.again}", "time": time}
        if isinstance(step.event.data, MessageReceived):
            provider_id = f"SM{number - step.again}"
            data = replace(step.event.data, provider_message_id=provider_id, sent_at=time)
            changes["data"] = data
        history.append((step.gap, replace(step.event, **changes)))
    return history


def _user(account_id: AccountId, name: str) -> Event:
    data = UserUpserted(
        account_id=account_id, user_id=UserId(name), name=name, email="", inbox_access=True
    )
    return Incoming("d", data.TYPE, NOON, data)


_BEGINNING = (
    _user(ACCOUNT, "ana"),
    _user(ACCOUNT, "bo"),
    _user(GLOBEX, "ana"),
    _channel(ACCOUNT),
    message(event_id="first", provider_message_id="SM-first"),
)


def _import(count: int) -> list[Event]:
    """Returns messages of the hours before, unordered, several with the same time."""
    return [
        message(
            event_id=f"i{number}",
            provider_message_id=f"SM-i{number}",
            historical=True,
            sent_at=NOON - number * 5 % 7 * HOUR,
        )
        for number in range(count)
    ]


def _lists(steps: st.SearchStrategy[Step]) -> st.SearchStrategy[list[Step]]:
    # By default lists have about five items, too few for the rules to affect each other.
    return st.one_of(st.lists(steps, max_size=20), st.lists(steps, min_size=15, max_size=50))


HISTORIES = _lists(
    _steps(
        [MESSAGES] * 6 + [COMMANDS] * 11 + [USER_CHANGES] * 2 + [_touches(), CHANNEL_CHANGES],
        [number * SECOND for number in (0, 0, 0, 1, 1, 1, 2, 2, 2)] + [24 * HOUR],
        [number * SECOND for number in (-2, -1, 0, 1, 2, 3, -60, 60)],
    )
).map(_placed)
"""Histories that begin with some users, a channel and one message."""

_OF_ONE = {"actor_id": "ana"}


def _of_one(make: Any, **strategies: st.SearchStrategy[Any]) -> st.SearchStrategy[Event]:
    """Draw commands of one user, nearly all of them on one conversation."""
    contacts = st.sampled_from([ADDRESS] * 5 + ["whatsapp:+4912"])
    where = contacts.map(lambda contact: conversation_id(ACCOUNT, CHANNEL, contact))
    chosen = st.fixed_dictionaries({"conversation_id": where} | strategies)
    return chosen.map(lambda own: make(**own | _OF_ONE))


_WRITTEN = st.builds(
    message,
    address=st.sampled_from([ADDRESS] * 5 + ["whatsapp:+4912"]),
    body=BODIES,
    media=FILES.map(_files),
    historical=SELDOM,
)
_NOTE_STEPS = _steps(
    [_WRITTEN] * 6
    + [_of_one(reply, body=BODIES.filter(bool), media_urls=FILES, content_sid=TEMPLATES)] * 3
    + [_of_one(link, name=ENTITIES)] * 3
    + [_of_one(link, name=ENTITIES, request_id=REQUESTS)]
    + [_of_one(unlink, name=ENTITIES), _of_one(request, request_id=REQUESTS)]
    + [_touches()] * 2
    + [st.one_of(_of_one(delete), _of_one(close), _of_one(reopen))]
    + [_of_one(assign, assignee_id=st.none() | USERS)],
    # Few different gaps, so that messages have the end of a note or each other's time exactly.
    [timedelta(), timedelta(), timedelta(), SECOND, 6 * HOUR, 6 * HOUR, 12 * HOUR, 24 * HOUR],
    [timedelta()] * 5 + [-SECOND, SECOND, 6 * HOUR, 12 * HOUR, 24 * HOUR, 48 * HOUR],
)
NOTE_HISTORIES = st.builds(
    _placed, _lists(_NOTE_STEPS), imported=st.sampled_from([0, 0, 0, 4, 19, 20, 25])
)
"""Histories of days, in which conversations are linked, and messages fill note after note."""

GONE_HISTORIES = _lists(
    _steps(
        [MESSAGES] * 3
        + [_of_one(assign, assignee_id=USERS)] * 4
        + [_UPSERTED, _directory_event(UserRemoved, user_id=USERS)] * 2
        + [st.one_of(_of_one(close), _of_one(reopen)), _directory_event(GoneLookedFor)],
        [timedelta(), SECOND],
        [timedelta()],
    )
).map(_placed)
"""Histories in which users to whom conversations are assigned come and go."""

ANY_HISTORIES = st.one_of(HISTORIES, NOTE_HISTORIES, GONE_HISTORIES)
"""Histories of all kinds."""
