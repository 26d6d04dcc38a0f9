"""Numbers the events of an account, and keeps the recent ones."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from msgspec import Raw

from db.message_pages import StoredMessage
from db.sections import SectionCounts
from domain.directory import User
from schemas.fields import UserId
from schemas.notifications import NotificationRequested
from workers.api.encoding import encode
from workers.api.events.changes import DESKTOP, Changes
from workers.api.events.frames import WAITING_BYTES_MAX, frame
from workers.api.events.ids import EventId, new_epoch
from workers.api.events.published import EventName, ForAll, ForSome, OfConversation, Published
from workers.api.events.recent import Recent
from workers.api.events.round import Loaded
from workers.api.shapes import me_of, shown_message

AHEAD_MAX = 10_000
"""So many conversations may have been sent newer than their records. Those are soon there: only if
Kafka is away in between, some stay. Of one that is forgotten the same version may be sent twice."""


class Journal:
    """The events of one account since its feed began, or began anew."""

    def __init__(self, recent_seconds: float) -> None:
        """`recent_seconds` is for how long events are kept."""
        self._recent_seconds = recent_seconds
        self._ahead: dict[str, int] = {}
        """The version that was sent of each conversation of which records of up to that version
        are still to come: Postgres showed more than the records that were there."""
        self.restart()

    def restart(self) -> None:
        """Begin a new epoch: no client can go on from an event before."""
        self._epoch, self._number = new_epoch(), 1
        self._recent = Recent(self._number, self._recent_seconds)

    @property
    def present(self) -> EventId:
        """The id of the newest event."""
        return EventId(self._epoch, self._number)

    @property
    def nothing(self) -> EventId:
        """The id for a client that has fetched nothing yet: nobody can go on from it."""
        return EventId(self._epoch, 0)

    def after(self, last: EventId | None) -> list[Published] | None:
        """Returns the events after the last one that a client got; None if some are not kept."""
        if last is None or last.epoch != self._epoch or last.number > self._number:
            return None
        return self._recent.after(last.number)

    def prune(self, bytes_max: int) -> None:
        """Forget what is too old or too much."""
        self._recent.prune(bytes_max)

    def unsent(self, changes: Changes) -> list[str]:
        """Returns the conversations of which no version as new as their records was sent."""
        return [
            id_ for id_, version in changes.versions.items() if version > self._ahead.get(id_, 0)
        ]

    def publish(self, changes: Changes, loaded: Loaded) -> list[Published]:
        """Returns the events of some changes, given what Postgres shows after them."""
        events = [
            *self._conversations(changes, loaded),
            *self._messages(changes, loaded),
            *(self._notification(each) for each in changes.notifications),
        ]
        for event in events:
            self._recent.keep(event)
        return events

    def _conversations(self, changes: Changes, loaded: Loaded) -> Iterator[Published]:
        for id_, version in changes.versions.items():
            ahead = self._ahead.get(id_, 0)
            removed = changes.removed.get(id_, 0)
            if removed > ahead:
                self._recent.remove(id_)
                yield self._for_all("removed", id_, {"conversation_id": id_, "version": removed})
            if version >= ahead:
                # All records up to what was sent are there.
                self._ahead.pop(id_, None)
            listed = loaded.listed.get(id_)
            if version <= ahead or listed is None or listed.version <= removed:
                continue
            if listed.version > version:
                self._run_ahead(id_, listed.version)
            number = self._next_number()
            yield OfConversation(number, str(self.present), listed)

    def _run_ahead(self, conversation_id: str, version: int) -> None:
        self._ahead[conversation_id] = version
        for oldest in list(islice(self._ahead, max(0, len(self._ahead) - AHEAD_MAX))):
            del self._ahead[oldest]

    def _messages(self, changes: Changes, loaded: Loaded) -> Iterator[Published]:
        for message_id, id_ in changes.messages.items():
            if stored := loaded.messages.get(message_id):
                yield self._for_all("message", id_, _message(id_, stored))
        for message_id, id_ in changes.replies.items():
            if stored := loaded.messages.get(message_id):
                data = {"message_id": message_id, "conversation_id": id_, "parts": stored.parts}
                yield self._for_all("status", id_, data)

    def _notification(self, event: NotificationRequested) -> ForSome[str]:
        number = self._next_number()
        reasons = {
            UserId(each.user_id): each.reason for each in event.recipients if DESKTOP in each.media
        }
        forms: dict[str, bytes] = {
            reason: frame(
                "notification",
                str(self.present),
                {
                    "kind": event.kind,
                    "conversation_id": event.conversation_id,
                    "contact_name": event.contact_name,
                    "preview": event.message.preview if event.message else None,
                    "inbox_url": event.inbox_url,
                    "reason": reason,
                },
            )
            for reason in set(reasons.values())
        }
        return ForSome(number, event.conversation_id, forms, reasons)

    def me(self, user: User) -> ForSome[str]:
        """Returns the event that a user's own entry in the directory has changed."""
        number = self._next_number()
        framed = frame("me", str(self.present), me_of(user))
        event = ForSome(number, None, {"me": framed}, {user.user_id: "me"})
        self._recent.keep(event)
        return event

    def sections(self, counts: Mapping[UserId, SectionCounts]) -> ForSome[bytes]:
        """Returns the event of what some users have in each section. It is never sent again: a
        client that was away gets the counts of then."""
        number = self._next_number()
        form_of = {user_id: encode(those) for user_id, those in counts.items()}
        forms = {
            form: frame("sections", str(self.present), Raw(form)) for form in set(form_of.values())
        }
        return ForSome(number, None, forms, form_of)

    def _for_all(self, name: EventName, conversation_id: str, data: Any) -> ForAll:
        number = self._next_number()
        framed = frame(name, str(self.present), data)
        if len(framed) > WAITING_BYTES_MAX:
            # Whoever it was sent to would be disconnected, and fetch again all the same.
            framed = frame("reset", str(self.present), {})
        return ForAll(number, conversation_id, framed)

    def _next_number(self) -> int:
        self._number += 1
        return self._number


def _message(conversation_id: str, stored: StoredMessage) -> Raw:
    """Returns a message as the history of its conversation has it, with the conversation's id."""
    head = encode({"conversation_id": conversation_id})
    return Raw(head[:-1] + b"," + encode(shown_message(stored))[1:])
