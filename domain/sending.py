"""A part of a reply on its way to the provider: posted at most once, whatever happens.

    queued ──> posting ──> accepted
      ^           ├──────> failed
      │           ├──────> uncertain ──> accepted, failed
      └───────────┘
        surely not taken

`posting` is committed before the POST. Who finds it later cannot know whether the provider took the
message, so it is not posted again: it is uncertain, until a receipt or the provider's own list
settles it.
"""

import re
from collections.abc import Iterator, Mapping
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

PART_CHARACTERS_MAX = 1_600
"""Twilio takes no longer body (its error 21617)."""

PARTS_MAX = 10
"""A reply that would need more is rejected, `too_long`."""

BREAK_CHARACTERS = 200
"""A part ends at a space or a line's end, if there is one among so many last characters."""

POST_SECONDS = 30
"""A POST has ended by then, or its worker has."""

LOOKS_SECONDS = (15, 60, 180, 600)
"""When it is looked for after a POST of unknown outcome: in the provider's list, each time. After
the last nobody looks any more, and `message.uncertain` is published."""

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


def parts_of(body: str) -> list[str]:
    """A body in parts that the provider takes; put together they are the body."""
    return list(_cut(body)) or [""]


def _cut(body: str) -> Iterator[str]:
    while len(body) > PART_CHARACTERS_MAX:
        near = body[PART_CHARACTERS_MAX - BREAK_CHARACTERS : PART_CHARACTERS_MAX]
        breaks = [found.end() for found in re.finditer(r"\s", near)]
        end = PART_CHARACTERS_MAX - BREAK_CHARACTERS + breaks[-1] if breaks else PART_CHARACTERS_MAX
        yield body[:end]
        body = body[end:]
    if body:
        yield body


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
    posted it was so slow that others took it for dead.
    """
    if send.state not in {"posting", "uncertain"}:
        return send, ()
    match outcome:
        case Taken(provider_message_id, status):
            return accept(send, provider_message_id, status, version)
        case NotTaken(seconds):
            return replace(send, state="queued", due_at=now + timedelta(seconds=seconds)), ()
        case Refused(error_code):
            return _failed(send, error_code, version)
        case Unknown():
            return doubt(send, now)


def doubt(send: Send, now: datetime) -> Moved:
    """A part whose POST ended unknown, or whose worker did: from now on it is looked for."""
    began = send.posting_at or now
    return replace(send, state="uncertain", due_at=_next_look(began, now)), ()


def look_again(send: Send, now: datetime, version: int) -> Moved:
    """An uncertain part that was not found; the last time, people are told."""
    began = send.posting_at or now
    if now - began < timedelta(seconds=LOOKS_SECONDS[-1]):
        return replace(send, due_at=_next_look(began, now)), ()
    data = MessageUncertain(
        account_id=send.account_id,
        conversation_id=send.conversation_id,
        version=version,
        message_id=send.message_id,
        status="uncertain",
        part=send.part,
        parts=send.parts,
    )
    return replace(send, told_uncertain=True), (_said(send, send.command_id, data),)


def _next_look(began: datetime, now: datetime) -> datetime:
    looks = (began + timedelta(seconds=seconds) for seconds in LOOKS_SECONDS)
    return next((look for look in looks if look > now), now)


def accept(send: Send, provider_message_id: str, status: str, version: int) -> Moved:
    """A part that the provider took, as its answer, its list or a receipt says."""
    send = replace(send, state="accepted", provider_message_id=provider_message_id, status=status)
    data = MessageAccepted(
        account_id=send.account_id,
        conversation_id=send.conversation_id,
        version=version,
        message_id=send.message_id,
        provider_message_id=provider_message_id,
        status=status,
        part=send.part,
        parts=send.parts,
    )
    return send, (_said(send, send.command_id, data),)


def receive(send: Send, cause_id: str, word: str, error_code: int | None, version: int) -> Moved:
    """An accepted part after a receipt: it only ever moves forward."""
    if not later(send.status, word):
        return send, ()
    send = replace(send, status=word, error_code=error_code)
    data = MessageStatusChanged(
        account_id=send.account_id,
        conversation_id=send.conversation_id,
        version=version,
        message_id=send.message_id,
        provider_message_id=send.provider_message_id or UNSET,
        status=word,
        error_code=UNSET if error_code is None else error_code,
        part=send.part,
        parts=send.parts,
    )
    return send, (_said(send, cause_id, data),)


def _failed(send: Send, error_code: int | None, version: int) -> Moved:
    send = replace(send, state="failed", status="failed", error_code=error_code)
    data = MessageFailed(
        account_id=send.account_id,
        conversation_id=send.conversation_id,
        version=version,
        message_id=send.message_id,
        status="failed",
        error_code=UNSET if error_code is None else error_code,
        part=send.part,
        parts=send.parts,
    )
    return send, (_said(send, send.command_id, data),)


def _said(
    send: Send,
    cause_id: str,
    data: MessageAccepted | MessageStatusChanged | MessageFailed | MessageUncertain,
) -> Outgoing:
    event_id = emitted_event_id(
        cause_id,
        data.account_id,
        data.conversation_id,
        data.TYPE,
        data.version,
        part=f"{send.message_id}/{send.part}",
    )
    return Outgoing(event_id, cause_id, data)
