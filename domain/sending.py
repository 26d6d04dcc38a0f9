"""A part of a reply on its way to the provider: posted at most once, whatever happens.

    queued ──> posting ──> accepted
      ^           ├──────> failed
      │           ├──────> uncertain ──> accepted, failed
      └───────────┘
        surely not taken

`posting` is committed before the POST. A worker that finds a part in this state later cannot know
whether the provider took the message. So the part is never posted again: it is uncertain, until a
receipt or the provider's own list settles it. A receipt makes any part accepted, since it proves
that the provider took the part.

Each function here returns the part after a step, and the events to emit. `version` is always the
present version of the conversation.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from msgspec import UNSET, Struct
from msgspec.structs import replace

from domain.delivery import OUTSIDE_WINDOW, is_later
from domain.outgoing import Outgoing
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
"""After so long a POST has ended, or its worker is dead."""

CHECKS_SECONDS = (15, 60, 180, 600)
"""How long after a POST of unknown outcome its part is searched for in the provider's list. After
the last of these checks `message.uncertain` is emitted, and the list is not read again for it."""

QUEUED_MAX = timedelta(hours=24)
"""A reply that could not be posted for so long is not sent: it fails."""

State = Literal["queued", "posting", "accepted", "failed", "uncertain"]


class Send(Struct, frozen=True):
    """One part of a reply."""

    account_id: AccountId
    conversation_id: ConversationId
    version: int
    """The conversation's version that recorded the reply. The parts of a conversation go out in
    the order of (`version`, `part`)."""
    part: int
    """The number of the part, from 1."""
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
    """The number of POSTs so far."""
    created_at: datetime
    due_at: datetime
    """When the next step of the part is due: its POST, the end of that, or a check."""
    posting_at: datetime | None = None
    """When its newest POST began."""
    provider_message_id: str | None = None
    status: str | None = None
    error_code: int | None = None
    """The provider's code: of its failure; while it is queued, of why it was not taken yet."""
    told_uncertain: bool = False
    """Whether `message.uncertain` was emitted."""
    provider_account_id: str | None = None
    """The provider's account through which it goes out, if the channel's installation named it."""
    webhook_account_id: str | None = None
    """The account of the channel's newest webhook. The part goes out through it if no other one is
    named, and if it is still set; or else through the first one of the tenant."""

    @property
    def began_at(self) -> datetime:
        """When its newest POST began; when the part was created, if there was none."""
        return self.posting_at or self.created_at


class Taken(NamedTuple):
    """The provider took it."""

    provider_message_id: str
    status: str


class NotTaken(NamedTuple):
    """The provider did not take it for sure: it was not reached, or is busy."""

    again_seconds: float
    """How long to wait before the next attempt."""
    error_code: int | None = None
    """The provider's code, if it gave one."""


class Refused(NamedTuple):
    """The provider refused it, for good."""

    error_code: int | None


class Unknown(NamedTuple):
    """It is unknown whether the provider took it: an error after the bytes were sent, or no
    answer."""


class Failure(NamedTuple):
    """Why a part does not reach the contact: the provider's code, if there is one."""

    error_code: int | None


PostOutcome = Taken | NotTaken | Refused | Unknown
"""How a POST ended."""

Moved = tuple[Send, tuple[Outgoing, ...]]
"""A part after a step, and the events to emit."""


def begin(
    send: Send,
    window_until: datetime | None,
    now: datetime,
    version: int,
    earlier: Failure | None = None,
) -> Moved:
    """Begin the POST of a queued part that is due; or fail the part, if it may not be sent now.

    `earlier` is the failure of an earlier part of the same reply, if one failed by now: a contact
    gets no end of a reply without its beginning. Parts that were posted before that are not
    affected.
    """
    if earlier is not None:
        return _failed(send, earlier.error_code, version)
    if send.content_sid is None and not may_write(window_until, send.to_address, now):
        return _failed(send, OUTSIDE_WINDOW, version)
    if now - send.created_at > QUEUED_MAX:
        return _failed(send, send.error_code, version)
    due_at = now + timedelta(seconds=POST_SECONDS)
    attempts = send.attempts + 1
    send = replace(send, state="posting", attempts=attempts, posting_at=now, due_at=due_at)
    return replace(send, error_code=None), ()


def after_post(send: Send, outcome: PostOutcome, now: datetime, version: int) -> Moved:
    """Settle a part whose POST has ended, or queue it again if it was not taken for sure.

    The part may be accepted already, by a receipt that came faster than the answer. It may be
    uncertain already, if its worker was so slow that other workers took it for dead. Then later
    parts may have gone out before it, and `message.uncertain` may be published: so an uncertain
    part that was not taken fails, and is not posted again.
    """
    if send.state not in {"posting", "uncertain"}:
        return send, ()
    match outcome:
        case Taken(provider_message_id, status):
            return accept(send, provider_message_id, status, version)
        case NotTaken(_, error_code) if send.state == "uncertain":
            return _failed(send, error_code, version)
        case NotTaken(seconds, error_code):
            due_at = now + timedelta(seconds=seconds)
            return replace(send, state="queued", due_at=due_at, error_code=error_code), ()
        case Refused(error_code):
            return _failed(send, error_code, version)
    return mark_uncertain(send, now)


class Step(NamedTuple):
    """What is due in one conversation."""

    post: Send | None
    """The part to post, if its sender may send now."""
    overdue: tuple[Send, ...]
    """Parts whose POST should have ended: their workers died, so they become uncertain."""
    checks: tuple[Send, ...]
    """Uncertain parts to search for in the provider's list."""


def next_step(unsettled: Sequence[Send], now: datetime) -> Step:
    """Returns what is due in a conversation, given its unsettled parts in the order of sending.

    A part waits for the parts before it, but not for uncertain ones: those are never posted again.
    """
    due = [send for send in unsettled if send.due_at <= now and not send.told_uncertain]
    first = next((send for send in unsettled if send.state in {"queued", "posting"}), None)
    return Step(
        first if first and first.state == "queued" and first.due_at <= now else None,
        tuple(send for send in due if send.state == "posting"),
        tuple(send for send in due if send.state == "uncertain"),
    )


def mark_uncertain(send: Send, now: datetime) -> Moved:
    """Mark a part whose POST ended unknown, or whose worker died, and schedule its first check."""
    return replace(send, state="uncertain", due_at=_next_check_at(send, now)), ()


def check_again(send: Send, now: datetime, version: int) -> Moved:
    """Schedule the next check of a part that was not found; after the last, emit that it is
    uncertain."""
    if send.told_uncertain:  # by a worker whose check began later, and ended earlier
        return send, ()
    if now - send.began_at < timedelta(seconds=CHECKS_SECONDS[-1]):
        return replace(send, due_at=_next_check_at(send, now)), ()
    event = _event(MessageUncertain, send, send.command_id, version, status="uncertain")
    return replace(send, told_uncertain=True), (event,)


def _next_check_at(send: Send, now: datetime) -> datetime:
    checks = (send.began_at + timedelta(seconds=seconds) for seconds in CHECKS_SECONDS)
    return next((check_at for check_at in checks if check_at > now), now)


def accept(
    send: Send, provider_message_id: str, status: str, version: int, error_code: int | None = None
) -> Moved:
    """Settle a part that the provider took: its answer, its list or a receipt proves it."""
    send = replace(
        send,
        state="accepted",
        provider_message_id=provider_message_id,
        status=status,
        error_code=error_code,
    )
    event = _event(
        MessageAccepted, send, send.command_id, version, status=status, error_code=error_code
    )
    return send, (event,)


def move_forward(
    send: Send, cause_id: str, word: str, error_code: int | None, version: int
) -> Moved:
    """Move an accepted part to the status word of a receipt, unless that is not later."""
    if not is_later(word, send.status):
        return send, ()
    send = replace(send, status=word, error_code=error_code)
    event = _event(
        MessageStatusChanged, send, cause_id, version, status=word, error_code=error_code
    )
    return send, (event,)


def _failed(send: Send, error_code: int | None, version: int) -> Moved:
    send = replace(send, state="failed", status="failed", error_code=error_code)
    event = _event(
        MessageFailed, send, send.command_id, version, status="failed", error_code=error_code
    )
    return send, (event,)


def _event(
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
