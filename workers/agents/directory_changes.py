"""The agent of `directory`: users, their settings and availability, channels."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from db.connect import AnyConnection
from db.directory import (
    ChannelKey,
    UserKey,
    channels_by_id,
    raise_directory_versions,
    remove_users,
    save_channels,
    save_users,
    users_by_id,
)
from db.gone_assignees import forget_gone_assignees, record_gone_assignees
from domain.directory import (
    Channel,
    ChannelEvent,
    User,
    UserEvent,
    decide_channel,
    decide_user,
)
from domain.outgoing import Outgoing
from schemas.cloudevents import Incoming


class DirectoryChanges:
    """One batch of changes of users and channels."""

    def __init__(self) -> None:
        self._users: dict[UserKey, User | None] = {}
        self._channels: dict[ChannelKey, Channel | None] = {}
        self._gone: dict[UserKey, str | None] = {}
        """Users without inbox access, each with the id of the event that took it; None: an earlier
        one did."""

    async def load(
        self, connection: AnyConnection, events: Sequence[Incoming[UserEvent | ChannelEvent]]
    ) -> None:
        """Lock the accounts whose users change, and read the users and channels of the batch."""
        users: set[UserKey] = set()
        channels: set[ChannelKey] = set()
        for event in events:
            if isinstance(event.data, UserEvent):
                users.add((event.data.account_id, event.data.user_id))
            else:
                channels.add((event.data.account_id, event.data.channel_id))
        await raise_directory_versions(connection, {account_id for account_id, _ in users})
        self._users = {
            (user.account_id, user.user_id): user for user in await users_by_id(connection, users)
        }
        self._channels = {
            (channel.account_id, channel.channel_id): channel
            for channel in await channels_by_id(connection, channels)
        }

    def decide(
        self, event: Incoming[UserEvent | ChannelEvent], now: datetime
    ) -> Iterable[Outgoing]:
        """Change a user or a channel. Nothing is emitted: the publisher knows the change."""
        data = event.data
        if isinstance(data, UserEvent):
            user_key = (data.account_id, data.user_id)
            before = self._users.get(user_key)
            user = self._users[user_key] = decide_user(before, data)
            if user is not None and user.is_present:
                self._gone.pop(user_key, None)
            else:
                was_present = before is not None and before.is_present
                self._gone.setdefault(user_key, event.id if was_present else None)
        else:
            channel_key = (data.account_id, data.channel_id)
            self._channels[channel_key] = decide_channel(self._channels.get(channel_key), data)
        return ()

    async def save(self, connection: AnyConnection, now: datetime) -> None:
        """Write the users and channels, and delete removed users.

        Users who are gone are recorded: their conversations are unassigned later.
        """
        await save_users(connection, [user for user in self._users.values() if user])
        await remove_users(connection, [key for key, user in self._users.items() if user is None])
        # In this order: what this transaction deletes, a search that holds its insert waits for.
        await record_gone_assignees(connection, self._gone)
        await forget_gone_assignees(connection, self._users.keys() - self._gone.keys())
        channels = [channel for channel in self._channels.values() if channel]
        await save_channels(connection, channels, now)
