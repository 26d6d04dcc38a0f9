"""The conversation states of one batch: lock and load, let the rules change them, save."""

from collections.abc import Collection, Set

from db.connect import AnyConnection
from db.conversations import (
    ConversationKey,
    check_tombstones,
    conversation_key,
    delete_conversations,
    load_tombstones,
    lock_conversations,
    save_conversations,
)
from db.identities import check_identities, placeholder
from db.links import (
    LinkRow,
    RequestKey,
    delete_links,
    insert_links,
    load_links,
    load_requests,
    save_requests,
    update_links,
)
from db.windows import watch_windows
from domain.conversation_state import NO_CONVERSATION, ConversationState
from domain.identities import Alias
from domain.windows import WARN_BEFORE

_Changed = dict[ConversationKey, tuple[ConversationState, ConversationState]]
"""The states as they were loaded, and as they are now."""


class ConversationStates:
    """The states of a batch's conversations, by account and conversation id."""

    def __init__(self) -> None:
        self._before: dict[ConversationKey, ConversationState] = {}
        self._after: dict[ConversationKey, ConversationState] = {}

    async def load(
        self,
        connection: AnyConnection,
        keys: Set[ConversationKey],
        requests: Collection[RequestKey] = (),
    ) -> None:
        """Lock conversations and read their states.

        Whatever belongs to a conversation is changed only under the lock of its row. More states
        may be loaded as long as nothing is decided.
        """
        conversations = await lock_conversations(connection, keys)
        tombstones = await load_tombstones(connection, keys - conversations.keys())
        linked = [key for key, found in conversations.items() if found.link_count]
        links = await load_links(connection, linked)
        answered = await load_requests(connection, requests)
        for key, conversation in conversations.items():
            self._before[key] = ConversationState(
                conversation, links=links.get(key, ()), requests=answered.get(key, {})
            )
        for key, tombstone in tombstones.items():
            self._before[key] = ConversationState(tombstone=tombstone)
        self._after = dict(self._before)

    def __getitem__(self, key: ConversationKey) -> ConversationState:
        """Returns a state as it is now; `NO_CONVERSATION` where there never was one."""
        return self._after.get(key, NO_CONVERSATION)

    def __setitem__(self, key: ConversationKey, state: ConversationState) -> None:
        self._after[key] = state

    async def save(self, connection: AnyConnection, aliases: Collection[Alias] = ()) -> None:
        """Write what changed, each row once. `aliases` are the new ones: see db.identities."""
        changed = {
            key: (self._before.get(key, NO_CONVERSATION), state)
            for key, state in self._after.items()
            if state is not self._before.get(key)
        }
        await self._save_conversations(connection, changed, aliases)
        await self._save_windows(connection, changed)
        await self._save_links(connection, changed)
        await save_requests(
            connection,
            [
                (key, request_id, answered)
                for key, (before, after) in changed.items()
                for request_id, answered in after.requests.items()
                if before.requests.get(request_id) != answered
            ],
        )

    async def _save_conversations(
        self, connection: AnyConnection, changed: _Changed, aliases: Collection[Alias]
    ) -> None:
        new, tombstones, updated, deleted = [], [], [], []
        for before, after in changed.values():
            if after.conversation is None:
                # A tombstone that was loaded is not written again.
                if after.tombstone is not None and before.conversation is not None:
                    deleted.append(after.tombstone)
            elif before.conversation is None:
                new.append(after.conversation)
                tombstones.append(before.tombstone)
            elif after.conversation is not before.conversation:
                updated.append(after.conversation)
        await delete_conversations(connection, deleted)
        placeholders = [placeholder(alias) for alias in aliases]
        await save_conversations(connection, new, updated, placeholders)
        await check_tombstones(connection, new, tombstones)
        await check_identities(connection, [conversation_key(one) for one in new])

    async def _save_windows(self, connection: AnyConnection, changed: _Changed) -> None:
        watched = []
        for key, (before, after) in changed.items():
            if _is_watched(after) and not _is_watched(before):
                assert after.conversation is not None
                assert after.conversation.window_until is not None
                watched.append((key, after.conversation.window_until - WARN_BEFORE))
        await watch_windows(connection, watched)

    async def _save_links(self, connection: AnyConnection, changed: _Changed) -> None:
        new, updated, removed = [], [], []
        for key, (before, after) in changed.items():
            # The links of a deleted conversation are deleted with it.
            if after.links is before.links or after.conversation is None:
                continue
            old = {link.entity: link for link in before.links}
            for link in after.links:
                known = old.pop(link.entity, None)
                if known is None:
                    new.append(LinkRow(key, link))
                elif known is not link:
                    updated.append(LinkRow(key, link))
            removed += [LinkRow(key, link) for link in old.values()]
        await delete_links(connection, removed)
        await insert_links(connection, new)
        await update_links(connection, updated)


def _is_watched(state: ConversationState) -> bool:
    return state.conversation is not None and state.conversation.window_watched
