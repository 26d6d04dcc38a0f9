"""Contacts with several addresses: an inbox in memory for them, and a slow model to compare."""

import itertools
from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from msgspec.structs import replace

from domain.conversation import Conversation, Tombstone
from domain.conversation_state import ConversationState, Decision
from domain.identities import addresses, end, find_route, lead
from domain.messages import MessageIds, decide_message, derive_ids, is_erased
from domain.outgoing import Outgoing
from schemas.cloudevents import Incoming
from schemas.fields import AccountId, ConversationId
from schemas.messages import Contact, MessageReceived
from tests.unit.domain.given.histories import History
from tests.unit.domain.given.memory_inbox import ConversationKey, Event, Inbox
from tests.unit.domain.given.samples import ADDRESS, APP_URL, NOON, conversation_of, message

NAMES = [f"whatsapp:+491{number}" for number in range(5)]
SOME_NAMES = st.lists(st.sampled_from(NAMES), max_size=2).map(tuple)

_numbers = itertools.count()


def contact(*others: str, address: str = ADDRESS) -> Contact:
    """Returns a contact who writes from an address, and whose message lists the others."""
    return Contact(address, "Ana", others)


def written(
    address: str, *others: str, sent_at: datetime = NOON, **fields: Any
) -> Incoming[MessageReceived]:
    """Returns a new message from an address that lists the others."""
    number = next(_numbers)
    return message(
        event_id=f"m{number}",
        provider_message_id=f"SM{number}",
        contact=contact(*others, address=address),
        sent_at=sent_at,
        **fields,
    )


class ContactInbox(Inbox):
    """An inbox in which contacts may have several addresses."""

    def __init__(self) -> None:
        super().__init__()
        self.aliases: dict[AccountId, dict[ConversationId, ConversationId]] = {}

    def lead(self, account_id: AccountId, address: ConversationId) -> Conversation | None:
        """Returns the conversation that an address leads to."""
        return lead(address, self._find(account_id), self.aliases.get(account_id, {}))

    def _find(self, account_id: AccountId) -> Any:
        return lambda id_: self.conversations.get((account_id, id_))

    def _record(self, event: Event, now: datetime) -> tuple[Outgoing, ...]:
        data, account_id = event.data, event.data.account_id
        message_id = derive_ids(data).message_id
        if (account_id, message_id) in self.messages.keys() | self.deleted:
            return ()
        aliases = self.aliases.setdefault(account_id, {})
        route = find_route(tuple(addresses(data)), self._find(account_id), aliases)
        if any(is_erased(self._load((account_id, id_)), data) for id_ in route.candidates):
            return ()
        key = (account_id, route.taker)
        decision = decide_message(
            self._load(key),
            event,
            now,
            self._directory(account_id),
            APP_URL,
            ids=MessageIds(route.taker, message_id),
            # Many messages may have one moment: still, each opens later than the one before.
            opened_at=now + len(self.applied) * timedelta(microseconds=1),
            takes_over=any(younger.status == "open" for younger in route.younger),
        )
        self._save(key, decision)
        outgoing = decision.outgoing
        for younger in route.younger:
            ended, more = end(younger, route.taker, event.id, now)
            self.conversations[account_id, younger.conversation_id] = ended
            outgoing += more
            aliases |= {
                alias: route.taker
                for alias, leads_to in aliases.items()
                if leads_to == younger.conversation_id
            }
        aliases |= dict.fromkeys(route.new_aliases, route.taker)
        return outgoing

    def erase(self, account_id: AccountId, address: ConversationId, now: datetime) -> None:
        """Delete the own conversation of an address."""
        version = self.conversations[account_id, address].version + 1
        gone = ConversationState(tombstone=Tombstone(account_id, address, now, "ana", version))
        self._save((account_id, address), Decision(gone, ()))

    def _save(self, key: ConversationKey, decision: Decision) -> None:
        super()._save(key, decision)
        tombstone = decision.state.tombstone
        if decision.state.conversation is None and tombstone is not None:
            self._forget(tombstone)

    def _forget(self, gone: Tombstone) -> None:
        aliases = self.aliases.get(gone.account_id, {})
        for alias, leads_to in list(aliases.items()):
            if leads_to == gone.conversation_id:
                del aliases[alias]
                kept = self.tombstones.get((gone.account_id, alias))
                self.tombstones[gone.account_id, alias] = replace(
                    gone, conversation_id=alias, version=kept.version if kept else 0
                )


class Persons:
    """Which addresses are one person, computed the slow way with sets and lists."""

    def __init__(self) -> None:
        self._persons: list[set[str]] = []
        self._opened: list[str] = []
        """The addresses that have an own conversation, the oldest first."""
        self.ended: set[str] = set()
        """Those whose conversation ended in favour of an older one."""

    def writes(self, address: str, *others: str) -> str:
        """Follow a message; returns the address whose conversation it belongs to."""
        named = {address, *others}
        same = [person for person in self._persons if person & named]
        person = named.union(*same)
        self._persons = [one for one in self._persons if one not in same] + [person]
        if not self.of(address):
            self._opened.append(address)
        oldest, *younger = [one for one in self._opened if one in person]
        self.ended |= set(younger)
        return oldest

    def of(self, address: str) -> str | None:
        """Returns the address whose conversation an address leads to."""
        person = next((one for one in self._persons if address in one), {address})
        return next((one for one in self._opened if one in person), None)


def named(history: History, others: list[tuple[str, ...]]) -> History:
    """Returns a history whose messages list other addresses too: the lists are used in turn."""
    placed: History = []
    for number, (gap, event) in enumerate(history):
        changed = event
        if isinstance(event.data, MessageReceived) and others:
            contact = replace(event.data.contact, identities=others[number % len(others)])
            changed = replace(event, data=replace(event.data, contact=contact))
        placed.append((gap, changed))
    return placed


def followed(history: History, start: datetime) -> ContactInbox:
    """Returns an inbox for contacts with several addresses, after a history."""
    inbox, now = ContactInbox(), start
    for gap, event in history:
        now += gap
        inbox.apply(event, now)
    return inbox


def writes(inbox: ContactInbox, event: Incoming[MessageReceived], now: datetime) -> str | None:
    """Apply a message; returns the conversation that recorded it, or None."""
    before = set(inbox.messages)
    inbox.apply(event, now)
    new = [inbox.messages[key].conversation_id for key in inbox.messages.keys() - before]
    return new[0] if new else None


IDS = {conversation_of(name): name for name in NAMES}
"""The address of each conversation id."""
