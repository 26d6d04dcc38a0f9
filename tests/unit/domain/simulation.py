"""The rules driven as the agents drive them, event by event, and random histories for it."""

from collections.abc import Iterable
from copy import copy
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Self

from hypothesis import strategies as st
from msgspec import convert
from msgspec.structs import replace

from domain.commands import decide_command
from domain.conversation import Conversation
from domain.decision import Outgoing
from domain.directory import Directory, User, UserEvent, decide_user
from domain.messages import decide_message, identify
from domain.thread import NO_THREAD, Thread
from schemas.cloudevents import Incoming
from schemas.directory import (
    UserAvailabilityChanged,
    UserNotificationSettingsChanged,
    UserRemoved,
    UserUpserted,
)
from schemas.fields import AccountId, Command, EventData, UserId
from schemas.ids import conversation_id
from schemas.messages import MessageReceived
from tests.unit.domain.given import (
    ACCOUNT,
    APP_URL,
    CHANNEL,
    NOON,
    SECOND,
    assign,
    close,
    message,
    reopen,
)

ConversationKey = tuple[AccountId, str]
Event = Incoming[Any]


class Said(NamedTuple):
    """An event of a history, when it was applied, and what was said of it."""

    event: Event
    now: datetime
    outgoing: tuple[Outgoing, ...]


class Inbox:
    """All that the tables hold, in dicts and sets."""

    def __init__(self) -> None:
        self.users: dict[tuple[AccountId, UserId], User] = {}
        self.threads: dict[ConversationKey, Thread] = {}
        self.recorded: set[tuple[AccountId, str]] = set()
        self.applied: set[tuple[AccountId, str]] = set()
        self.said: list[Said] = []

    def copy(self) -> Self:
        """Another inbox in the same state."""
        other = copy(self)
        for name, value in vars(self).items():
            setattr(other, name, copy(value))
        return other

    @property
    def state(self) -> tuple[Any, ...]:
        """Everything but what was said."""
        return copy(self.users), copy(self.threads), copy(self.recorded), copy(self.applied)

    @property
    def conversations(self) -> dict[ConversationKey, Conversation]:
        """The conversations that there are."""
        found = ((key, thread.conversation) for key, thread in self.threads.items())
        return {key: conversation for key, conversation in found if conversation}

    def apply(self, event: Event, now: datetime) -> tuple[Outgoing, ...]:
        """Apply an event as the agent of its topic would."""
        data = event.data
        if isinstance(data, MessageReceived):
            outgoing = self._record(event, now)
        elif isinstance(data, Command):
            outgoing = self._command(event, now)
        else:
            outgoing = self._direct(data)
        self.said.append(Said(event, now, outgoing))
        return outgoing

    def _record(self, event: Event, now: datetime) -> tuple[Outgoing, ...]:
        account_id = event.data.account_id
        conversation_key, message_id = identify(event.data)
        if (account_id, message_id) in self.recorded:
            return ()
        self.recorded.add((account_id, message_id))
        key = (account_id, conversation_key)
        thread = self.threads.get(key, NO_THREAD)
        decision = decide_message(thread, event, now, self._directory(account_id), APP_URL)
        self.threads[key] = decision.thread
        return decision.outgoing

    def _command(self, event: Event, now: datetime) -> tuple[Outgoing, ...]:
        account_id = event.data.account_id
        if (account_id, event.id) in self.applied:
            return ()
        self.applied.add((account_id, event.id))
        key = (account_id, str(event.data.conversation_id))
        thread = self.threads.get(key, NO_THREAD)
        decision = decide_command(thread, event, now, self._directory(account_id), APP_URL)
        self.threads[key] = decision.thread
        return decision.outgoing

    def _direct(self, data: UserEvent) -> tuple[Outgoing, ...]:
        key = (data.account_id, data.user_id)
        user = decide_user(self.users.get(key), data)
        if user is None:
            self.users.pop(key, None)
        else:
            self.users[key] = user
        return ()

    def _directory(self, account_id: AccountId) -> Directory:
        users = {user.user_id: user for key, user in self.users.items() if key[0] == account_id}
        return Directory(account_id, 0, users)


def played(history: Iterable[tuple[timedelta, Event]]) -> Inbox:
    """An inbox after a history; each event comes some time after the one before, or at once."""
    inbox, now = Inbox(), NOON
    for gap, event in history:
        now += gap
        inbox.apply(event, now)
    return inbox


# Few of everything, so that histories meet: users of one name in two accounts, two contacts who
# write to both, commands across accounts.
GLOBEX = AccountId("globex")
ACCOUNTS = st.sampled_from([ACCOUNT, ACCOUNT, ACCOUNT, GLOBEX])
USERS = st.sampled_from([UserId(name) for name in ("ana", "bo", "cy")])
CONTACTS = st.sampled_from(["whatsapp:+4911", "whatsapp:+4912"])
SELDOM = st.sampled_from([False] * 7 + [True])
MEDIUM = st.fixed_dictionaries({"desktop": st.booleans(), "email": st.booleans()})
KINDS = ("assigned_to_me", "assigned_to_others", "unassigned", "assignment")


@st.composite
def _messages(draw: st.DrawFn) -> Event:
    return message(
        account_id=draw(ACCOUNTS),
        address=draw(CONTACTS),
        sent_at=NOON + draw(st.integers(-60, 60)) * SECOND,
        historical=draw(SELDOM),
    )


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
    kind = draw(st.sampled_from(["assign", "close", "close", "reopen"]))
    if kind == "assign":
        return assign(draw(st.none() | USERS), **fields)
    return close(**fields) if kind == "close" else reopen(**fields)


def _directed(struct: type[EventData], **fields: Any) -> st.SearchStrategy[Event]:
    data = st.fixed_dictionaries({"account_id": ACCOUNTS, "user_id": USERS} | fields)
    return data.map(lambda values: Incoming("d", struct.TYPE, NOON, convert(values, struct)))


_UPSERTED = _directed(
    UserUpserted,
    name=st.just("Someone"),
    email=st.just("someone@example.com"),
    inbox_access=SELDOM.map(lambda refused: not refused),
)
USER_CHANGES: st.SearchStrategy[Event] = st.one_of(
    _UPSERTED,
    _UPSERTED,
    _directed(UserRemoved),
    _directed(UserAvailabilityChanged, available=st.booleans()),
    _directed(
        UserNotificationSettingsChanged,
        settings=st.fixed_dictionaries({}, optional=dict.fromkeys(KINDS, MEDIUM)),
    ),
)
MESSAGES, COMMANDS = _messages(), _commands()


class Step(NamedTuple):
    """An event of a history, before its place in it is known."""

    event: Event
    gap_seconds: int
    """How long after the one before it is applied."""
    age_seconds: int
    """How long before that it was issued; below 0 by a clock that is fast."""
    again: int
    """So many events before had the same ids: a double, or a careless publisher."""


_STEPS = st.builds(
    Step,
    # `one_of` takes an alternative that stands there twice for one.
    st.sampled_from([MESSAGES] * 3 + [COMMANDS] * 5 + [USER_CHANGES]).flatmap(lambda kind: kind),
    st.integers(0, 2),
    st.integers(-2, 3),
    st.sampled_from([0, 0, 0, 0, 0, 1, 2, 3]),
)


def _placed(steps: list[Step]) -> list[tuple[timedelta, Event]]:
    history, now = list(_BEGINNING), NOON
    for number, step in enumerate(steps):
        now += step.gap_seconds * SECOND
        changes: dict[str, Any] = {
            "id": f"e{number - step.again}",
            "time": now - step.age_seconds * SECOND,
        }
        if isinstance(step.event.data, MessageReceived):
            provider_id = f"SM{number - step.again}"
            changes["data"] = replace(step.event.data, provider_message_id=provider_id)
        history.append((step.gap_seconds * SECOND, replace(step.event, **changes)))
    return history


def _user(account_id: AccountId, name: str) -> Event:
    data = UserUpserted(
        account_id=account_id, user_id=UserId(name), name=name, email="", inbox_access=True
    )
    return Incoming("d", data.TYPE, NOON, data)


_BEGINNING: list[tuple[timedelta, Event]] = [
    (timedelta(), event)
    for event in (
        _user(ACCOUNT, "ana"),
        _user(ACCOUNT, "bo"),
        _user(GLOBEX, "ana"),
        message(event_id="first", provider_message_id="SM-first"),
    )
]

HISTORIES = st.one_of(
    st.lists(_STEPS, max_size=20),
    # Left to themselves, lists are about five long, too short for rules to get in each other's way.
    st.lists(_STEPS, min_size=15, max_size=50),
).map(_placed)
"""Histories that begin with some users and one message."""
