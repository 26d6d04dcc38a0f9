"""A part of a reply on its way to the provider: posted at most once, whatever happens.

    queued ──> posting ──> accepted
      ^           ├──────> failed
      │           ├──────> uncertain ──> accepted, failed
      └───────────┘
        surely not taken

`posting` is committed before the POST. Who finds it later cannot know whether the provider took the
message, so it is not posted again: it is uncertain, until a receipt or the provider's own list
settles it. A receipt makes any part accepted, since it proves that the provider took it.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from msgspec import UNSET, Struct
from msgspec.structs import replace

from domain.decision import Outgoing
from domain.delivery import OUTSIDE_WINDOW, later
from domain.windows import may_write
from schemas.fields import AccountId, ConversationId, MessageId
from schemas.ids import emitted_event_id
from schemas.messages import (
    MessageAccepted,
    MessageFailed,
    MessageStatusChanged,
    MessageUncertain,
)

POST_SECONDS = 30
"""A POST has ended by then, or its worker has."""

LOOKS_SECONDS = (15, 60, 180, 600)
"""When it is looked for after a POST of unknown outcome: in the provider's list, each time. After
the last nobody looks any more, and `message.uncertain` is published."""

CLOCKS_APART = timedelta(minutes=1)
"""How far the provider's clock may be from ours."""

_FITTING_FROM = -CLOCKS_APART
_FITTING_TO = timedelta(seconds=POST_SECONDS) + CLOCKS_APART

QUEUED_MAX = timedelta(hours=24)
"""A reply that could not be posted for so long is not sent any more."""

State = Literal["queued", "posting", "accepted", "failed", "uncertain"]


class Send(Struct, frozen=True):
    """One part of a reply."""

    account_id: AccountId
    conversation_id: ConversationId
    version: int
    """That recorded the reply; parts of a conversation go out in the order of it."""
    part: int
    parts: int
    message_id: MessageId
    command_id: str
    channel_id: str
    from_address: str
    to_address: str
    body: str
    media_urls: tuple[str, ...]
    content_sid: str | None
    content_variables: Mapping[str, str] | None
    state: State
    attempts: int
    created_at: datetime
    due_at: datetime
    posting_at: datetime | None = None
    provider_message_id: str | None = None
    status: str | None = None
    error_code: int | None = None
    told_uncertain: bool = False


class Taken(NamedTuple):
    """The provider took it."""

    provider_message_id: str
    status: str


class NotTaken(NamedTuple):
    """The provider surely did not take it: it was not reached, or is busy."""

    again_seconds: float


class Refused(NamedTuple):
    """The provider will not take it."""

    error_code: int | None


class Unknown(NamedTuple):
    """Nobody can tell: an error after the bytes were sent, or no answer."""


Outcome = Taken | NotTaken | Refused | Unknown
Moved = tuple[Send, tuple[Outgoing, ...]]
"""A part after something happened, and what is to be said of it."""


def begin(send: Send, window_until: datetime | None, now: datetime, version: int) -> Moved:
    """What a queued part becomes when it is due: posting, or failed when it must not go out.

    `version` is the conversation's, here as everywhere.
    """
    if send.content_sid is None and not may_write(window_until, send.to_address, now):
        return _failed(send, OUTSIDE_WINDOW, version)
    if now - send.created_at > QUEUED_MAX:
        return _failed(send, None, version)
    due_at = now + timedelta(seconds=POST_SECONDS)
    attempts = send.attempts + 1
    return replace(send, state="posting", attempts=attempts, posting_at=now, due_at=due_at), ()


def after_post(send: Send, outcome: Outcome, now: datetime, version: int) -> Moved:
    """What a part becomes once its POST has ended.

    It may be accepted already, by a receipt that was faster; or uncertain, when the worker that
    posted it was so slow that others took it for dead. Then those after it went past it, and people
    may know of it, so that it is not posted any more though it was not taken.
    """
    if send.state not in {"posting", "uncertain"}:
        return send, ()
    match outcome:
        case Taken(provider_message_id, status):
            return accept(send, provider_message_id, status, version)
        case NotTaken() if send.state == "uncertain":
            return _failed(send, None, version)
        case NotTaken(seconds):
            return replace(send, state="queued", due_at=now + timedelta(seconds=seconds)), ()
        case Refused(error_code):
            return _failed(send, error_code, version)
    return doubt(send, now)


class Step(NamedTuple):
    """What is to be done next in one conversation."""

    post: Send | None
    """The part to be posted, if its sender may send now."""
    doubts: tuple[Send, ...]
    """Parts that a worker was posting when it died."""
    looks: tuple[Send, ...]
    """Parts to be looked for."""


def next_step(unsettled: Sequence[Send], now: datetime) -> Step:
    """What is due among the unsettled parts of a conversation, in the order of sending.

    A part waits for those before it, but not for an uncertain one, which is never posted again.
    """
    due = [send for send in unsettled if send.due_at <= now and not send.told_uncertain]
    first = next((send for send in unsettled if send.state in {"queued", "posting"}), None)
    return Step(
        first if first and first.state == "queued" and first.due_at <= now else None,
        tuple(send for send in due if send.state == "posting"),
        tuple(send for send in due if send.state == "uncertain"),
    )


class Listed(NamedTuple):
    """A message that the provider took, as its own list has it."""

    provider_message_id: str
    body: str
    status: str
    error_code: int | None
    created_at: datetime


def found(send: Send, unsettled: Iterable[Send], listed: Iterable[Listed]) -> Listed | None:
    """The one of the provider's messages that an uncertain part became, if that is sure.

    `unsettled` are the parts of its conversation, `listed` the messages from its sender to its
    contact that are no other part's. It is sure if one message fits, and could not be another
    part's either: of two equal texts nobody can tell which was taken, nor, when both were, which
    of them is which. What a template says is made by the provider: it may be any text.
    """
    if send.content_sid is not None or any(_is_rival(send, other) for other in unsettled):
        return None
    fitting = [message for message in listed if _fits(send, message)]
    return fitting[0] if len(fitting) == 1 else None


def _is_rival(send: Send, other: Send) -> bool:
    """Whether another part may have become a message that fits this one."""
    return (
        (other.version, other.part) != (send.version, send.part)
        and other.state in {"posting", "uncertain"}
        and (other.content_sid is not None or _is_same_text(other.body, send.body))
        and abs(_began(other) - _began(send)) <= _FITTING_TO - _FITTING_FROM
    )


def _fits(send: Send, message: Listed) -> bool:
    after = message.created_at - _began(send)
    return _FITTING_FROM <= after <= _FITTING_TO and _is_same_text(message.body, send.body)


def _is_same_text(one: str, other: str) -> bool:
    # The provider may cut off what nobody sees.
    return one.strip() == other.strip()


def _began(send: Send) -> datetime:
    return send.posting_at or send.created_at


def doubt(send: Send, now: datetime) -> Moved:
    """A part whose POST ended unknown, or whose worker did: from now on it is looked for."""
    return replace(send, state="uncertain", due_at=_next_look(_began(send), now)), ()


def look_again(send: Send, now: datetime, version: int) -> Moved:
    """An uncertain part that was not found; the last time, people are told."""
    if send.told_uncertain:  # by a worker that began to look later, and was faster
        return send, ()
    if now - _began(send) < timedelta(seconds=LOOKS_SECONDS[-1]):
        return replace(send, due_at=_next_look(_began(send), now)), ()
    said = _said(MessageUncertain, send, send.command_id, version, status="uncertain")
    return replace(send, told_uncertain=True), (said,)


def _next_look(began: datetime, now: datetime) -> datetime:
    looks = (began + timedelta(seconds=seconds) for seconds in LOOKS_SECONDS)
    return next((look for look in looks if look > now), now)


def accept(
    send: Send, provider_message_id: str, status: str, version: int, error_code: int | None = None
) -> Moved:
    """A part that the provider took, as its answer, its list or a receipt says."""
    send = replace(
        send,
        state="accepted",
        provider_message_id=provider_message_id,
        status=status,
        error_code=error_code,
    )
    said = _said(
        MessageAccepted, send, send.command_id, version, status=status, error_code=error_code
    )
    return send, (said,)


def receive(send: Send, cause_id: str, word: str, error_code: int | None, version: int) -> Moved:
    """An accepted part after a receipt: it only ever moves forward."""
    if not later(send.status, word):
        return send, ()
    send = replace(send, status=word, error_code=error_code)
    said = _said(MessageStatusChanged, send, cause_id, version, status=word, error_code=error_code)
    return send, (said,)


def _failed(send: Send, error_code: int | None, version: int) -> Moved:
    send = replace(send, state="failed", status="failed", error_code=error_code)
    said = _said(
        MessageFailed, send, send.command_id, version, status="failed", error_code=error_code
    )
    return send, (said,)


def _said(
    struct: type[MessageAccepted | MessageStatusChanged | MessageFailed | MessageUncertain],
    send: Send,
    cause_id: str,
    version: int,
    *,
    status: str,
    error_code: int | None = None,
) -> Outgoing:
    data = struct(
        account_id=send.account_id,
        conversation_id=send.conversation_id,
        version=version,
        message_id=send.message_id,
        provider_message_id=send.provider_message_id or UNSET,
        status=status,
        error_code=UNSET if error_code is None else error_code,
        part=send.part,
        parts=send.parts,
    )
    event_id = emitted_event_id(
        cause_id,
        data.account_id,
        data.conversation_id,
        data.TYPE,
        data.version,
        part=f"{send.message_id}/{send.part}/{status}",
    )
    return Outgoing(event_id, cause_id, data)
